-- +goose Up
-- Where the audit was cut because of its age. Each is signed, and names the one
-- before it: entries up to sequence are gone, or about to go.
CREATE TABLE audit_checkpoints (
    number    INTEGER NOT NULL PRIMARY KEY,
    sequence  INTEGER NOT NULL,
    statement TEXT    NOT NULL
) STRICT;

-- +goose Down
DROP TABLE audit_checkpoints;
