-- +goose NO TRANSACTION

-- +goose Up
-- Long-lived secrets of users and robots, by their public id. Of the secrets
-- there are hashes only. Times are 0 for never.
CREATE TABLE IF NOT EXISTS access_tokens (
    id                VARCHAR(64)    NOT NULL PRIMARY KEY,
    subject_id        BIGINT         NOT NULL,
    name              VARCHAR(128)   NOT NULL,
    hash              VARBINARY(255) NOT NULL,
    -- What the secret was before it was rotated, and how long that one works.
    previous_hash     VARBINARY(255) NOT NULL DEFAULT '',
    previous_until    BIGINT         NOT NULL DEFAULT 0,
    -- Permissions and address prefixes, separated by spaces; none: no limit.
    scopes            MEDIUMTEXT     NOT NULL,
    networks          MEDIUMTEXT     NOT NULL,
    created_at        BIGINT         NOT NULL,
    expires_at        BIGINT         NOT NULL DEFAULT 0,
    rotated_at        BIGINT         NOT NULL DEFAULT 0,
    last_used_at      BIGINT         NOT NULL DEFAULT 0,
    last_used_address VARCHAR(255)   NOT NULL DEFAULT '',
    last_used_client  VARCHAR(255)   NOT NULL DEFAULT '',
    UNIQUE (subject_id, name),
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What docker login keeps instead of a password.
CREATE TABLE IF NOT EXISTS refresh_tokens (
    id                VARCHAR(64)    NOT NULL PRIMARY KEY,
    subject_id        BIGINT         NOT NULL,
    service           VARCHAR(255)   NOT NULL,
    hash              VARBINARY(255) NOT NULL,
    client            VARCHAR(255)   NOT NULL DEFAULT '',
    address           VARCHAR(255)   NOT NULL DEFAULT '',
    created_at        BIGINT         NOT NULL,
    expires_at        BIGINT         NOT NULL,
    last_used_at      BIGINT         NOT NULL,
    last_used_address VARCHAR(255)   NOT NULL DEFAULT '',
    last_used_client  VARCHAR(255)   NOT NULL DEFAULT '',
    INDEX refresh_tokens_by_subject (subject_id, last_used_at),
    INDEX refresh_tokens_by_expiry (expires_at),
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Wrong passwords, by the name that was given and the address prefix that they
-- came from. Nobody needs to have the name: who guesses must not learn that.
CREATE TABLE IF NOT EXISTS login_failures (
    id      BIGINT       NOT NULL PRIMARY KEY AUTO_INCREMENT,
    name    VARCHAR(128) NOT NULL,
    network VARCHAR(64)  NOT NULL,
    at      BIGINT       NOT NULL,
    INDEX login_failures_by_name (name, at, network),
    INDEX login_failures_by_time (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Where a subject logged in from before.
CREATE TABLE IF NOT EXISTS login_networks (
    subject_id BIGINT      NOT NULL,
    network    VARCHAR(64) NOT NULL,
    at         BIGINT      NOT NULL,
    PRIMARY KEY (subject_id, network),
    INDEX login_networks_by_time (at),
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS login_networks;
DROP TABLE IF EXISTS login_failures;
DROP TABLE IF EXISTS refresh_tokens;
DROP TABLE IF EXISTS access_tokens;
