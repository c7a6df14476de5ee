-- +goose NO TRANSACTION

-- +goose Up
-- Signing keys and authorities. Times are 0 as long as nothing happened.
CREATE TABLE IF NOT EXISTS signing_keys (
    id          VARCHAR(255) NOT NULL PRIMARY KEY,
    purpose     VARCHAR(16)  NOT NULL CHECK (purpose IN ('authority', 'shared', 'kid-only', 'own')),
    service     VARCHAR(255) NOT NULL DEFAULT '',
    issuer      VARCHAR(255) NOT NULL DEFAULT '',
    certificate MEDIUMBLOB   NOT NULL,
    private_key MEDIUMBLOB   NOT NULL,
    sealing     VARCHAR(255) NOT NULL DEFAULT '',
    brought     TINYINT      NOT NULL DEFAULT 0,
    created_at  BIGINT       NOT NULL,
    active_from BIGINT       NOT NULL DEFAULT 0,
    retired_at  BIGINT       NOT NULL DEFAULT 0,
    revoked_at  BIGINT       NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Whoever changes the keys names the version that was read: nodes agree by it.
CREATE TABLE IF NOT EXISTS signing_keys_version (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO signing_keys_version (id, number) VALUES (1, 0);

-- +goose Down
DROP TABLE IF EXISTS signing_keys_version;
DROP TABLE IF EXISTS signing_keys;
