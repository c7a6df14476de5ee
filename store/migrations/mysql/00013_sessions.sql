-- +goose NO TRANSACTION

-- +goose Up
-- Logins by tokens of issuers that last for longer than those. Of the secrets there
-- are hashes only.
CREATE TABLE IF NOT EXISTS sessions (
    id                VARCHAR(64)    NOT NULL PRIMARY KEY,
    -- What its secret is: access or refresh.
    kind              VARCHAR(16)    NOT NULL,
    subject_id        BIGINT         NOT NULL,
    binding_id        BIGINT         NOT NULL,
    service           VARCHAR(255)   NOT NULL,
    hash              VARBINARY(255) NOT NULL,
    -- Permissions, separated by spaces; none: no limit beside the binding's.
    scopes            MEDIUMTEXT     NOT NULL,
    -- Those of the token that conditions named, and what tells people which job it
    -- was, as JSON.
    claims            MEDIUMTEXT     NOT NULL,
    job               MEDIUMTEXT     NOT NULL,
    client            VARCHAR(255)   NOT NULL DEFAULT '',
    address           VARCHAR(255)   NOT NULL DEFAULT '',
    created_at        BIGINT         NOT NULL,
    expires_at        BIGINT         NOT NULL,
    last_used_at      BIGINT         NOT NULL,
    last_used_address VARCHAR(255)   NOT NULL DEFAULT '',
    last_used_client  VARCHAR(255)   NOT NULL DEFAULT '',
    INDEX sessions_by_binding (binding_id, last_used_at),
    INDEX sessions_by_subject (subject_id, created_at),
    INDEX sessions_by_expiry (expires_at),
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE,
    FOREIGN KEY (binding_id) REFERENCES bindings (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS sessions;
