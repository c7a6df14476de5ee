-- +goose Up
-- What authenticates a whole row under the encryption key. Empty without one, and
-- in rows that are older than this column.
ALTER TABLE signing_keys ADD COLUMN mac BLOB NOT NULL DEFAULT x'';

-- +goose Down
ALTER TABLE signing_keys DROP COLUMN mac;
