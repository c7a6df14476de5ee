-- +goose Up
-- Whom the latest changes concern, so that nodes need not read everything again
-- after each. 0 is for everybody; a change that is not here may concern anybody.
CREATE TABLE changes (
    revision   INTEGER PRIMARY KEY,
    subject_id INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE changes;
