-- +goose Up
-- A random number for each revision: a database that is put back to an earlier
-- state, and changed then, has the same revisions once more, and they are others.
ALTER TABLE revision ADD COLUMN nonce INTEGER NOT NULL DEFAULT 0;
ALTER TABLE changes ADD COLUMN nonce INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE changes DROP COLUMN nonce;
ALTER TABLE revision DROP COLUMN nonce;
