-- +goose NO TRANSACTION

-- +goose Up
-- What was changed by whom. Each hash covers its entry and the hash before it.
-- Names, not ids: the entries outlive their subjects.
CREATE TABLE IF NOT EXISTS audit_entries (
    sequence     BIGINT       NOT NULL PRIMARY KEY,
    at           BIGINT       NOT NULL,
    action       VARCHAR(64)  NOT NULL,
    actor        VARCHAR(255) NOT NULL,
    address      VARCHAR(255) NOT NULL,
    subject      VARCHAR(255) NOT NULL,
    state_before MEDIUMTEXT   NOT NULL,
    state_after  MEDIUMTEXT   NOT NULL,
    previous     VARCHAR(128) NOT NULL,
    hash         VARCHAR(128) NOT NULL,
    INDEX audit_entries_by_subject (subject, sequence),
    INDEX audit_entries_by_actor (actor, sequence),
    INDEX audit_entries_by_time (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The newest entry. Whoever adds one locks this row first.
CREATE TABLE IF NOT EXISTS audit_head (
    id       BIGINT       NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence BIGINT       NOT NULL,
    hash     VARCHAR(128) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO audit_head (id, sequence, hash) VALUES (1, 0, '');

-- +goose Down
DROP TABLE IF EXISTS audit_head;
DROP TABLE IF EXISTS audit_entries;
