-- +goose Up
-- Which claims permissions may name, as a list of NAME=CLAIM in JSON; empty for none.
ALTER TABLE bindings ADD COLUMN expose TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE bindings DROP COLUMN expose;
