-- MySQL knows no ADD COLUMN IF NOT EXISTS, and a node may die between a change
-- and the note that it was made: so it is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- Which claims permissions may name, as a list of NAME=CLAIM in JSON; empty for none.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'bindings' AND column_name = 'expose'),
    'DO 0', 'ALTER TABLE bindings ADD COLUMN expose VARCHAR(8000) NOT NULL DEFAULT ''''');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
ALTER TABLE bindings DROP COLUMN expose;
