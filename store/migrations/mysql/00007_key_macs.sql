-- MySQL knows no ADD COLUMN IF NOT EXISTS, and a node may die between a change
-- and the note that it was made: so each is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- What authenticates a whole row under the encryption key. Empty without one, and
-- in rows that are older than this column.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'signing_keys' AND column_name = 'mac'),
    'DO 0', 'ALTER TABLE signing_keys ADD COLUMN mac VARBINARY(64) NOT NULL DEFAULT ''''');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
ALTER TABLE signing_keys DROP COLUMN mac;
