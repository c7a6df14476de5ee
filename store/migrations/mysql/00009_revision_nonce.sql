-- MySQL knows no ADD COLUMN IF NOT EXISTS, and a node may die between a change
-- and the note that it was made: so each is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- A random number for each revision: a database that is put back to an earlier
-- state, and changed then, has the same revisions once more, and they are others.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'revision' AND column_name = 'nonce'),
    'DO 0', 'ALTER TABLE revision ADD COLUMN nonce BIGINT NOT NULL DEFAULT 0');
PREPARE make FROM @make;
EXECUTE make;
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'changes' AND column_name = 'nonce'),
    'DO 0', 'ALTER TABLE changes ADD COLUMN nonce BIGINT NOT NULL DEFAULT 0');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
ALTER TABLE changes DROP COLUMN nonce;
ALTER TABLE revision DROP COLUMN nonce;
