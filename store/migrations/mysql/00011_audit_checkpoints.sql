-- +goose NO TRANSACTION

-- +goose Up
-- Where the audit was cut because of its age. Each is signed, and names the one
-- before it: entries up to sequence are gone, or about to go.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    number    BIGINT     NOT NULL PRIMARY KEY,
    sequence  BIGINT     NOT NULL,
    statement MEDIUMTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS audit_checkpoints;
