-- +goose NO TRANSACTION

-- +goose Up
-- Who is trusted to say who a job or a workload is. Lists are JSON. Times, and
-- max_age in seconds, are 0 for none.
CREATE TABLE IF NOT EXISTS issuers (
    id          BIGINT        NOT NULL PRIMARY KEY AUTO_INCREMENT,
    name        VARCHAR(128)  NOT NULL UNIQUE,
    url         VARCHAR(1024) NOT NULL,
    kind        VARCHAR(32)   NOT NULL,
    audiences   MEDIUMTEXT    NOT NULL,
    -- Where its keys come from: one of both, or by discovery.
    jwks_url    VARCHAR(1024) NOT NULL DEFAULT '',
    jwks        MEDIUMTEXT    NOT NULL,
    jwks_host   VARCHAR(255)  NOT NULL DEFAULT '',
    ca          MEDIUMTEXT    NOT NULL,
    bearer_file VARCHAR(1024) NOT NULL DEFAULT '',
    max_age     BIGINT        NOT NULL DEFAULT 0,
    disabled    TINYINT       NOT NULL DEFAULT 0,
    version     BIGINT        NOT NULL,
    created_at  BIGINT        NOT NULL,
    updated_at  BIGINT        NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which claims of an issuer stand for which robot.
CREATE TABLE IF NOT EXISTS bindings (
    id                BIGINT       NOT NULL PRIMARY KEY AUTO_INCREMENT,
    name              VARCHAR(128) NOT NULL UNIQUE,
    issuer_id         BIGINT       NOT NULL,
    subject_id        BIGINT       NOT NULL,
    conditions        MEDIUMTEXT   NOT NULL,
    -- Permissions, separated by spaces; none: no limit.
    scopes            MEDIUMTEXT   NOT NULL,
    -- In seconds.
    session           BIGINT       NOT NULL,
    allow_unprotected TINYINT      NOT NULL DEFAULT 0,
    disabled          TINYINT      NOT NULL DEFAULT 0,
    version           BIGINT       NOT NULL,
    created_at        BIGINT       NOT NULL,
    updated_at        BIGINT       NOT NULL,
    INDEX bindings_by_issuer (issuer_id, name),
    INDEX bindings_by_subject (subject_id, name),
    FOREIGN KEY (issuer_id) REFERENCES issuers (id) ON DELETE CASCADE,
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What an issuer published last, for which settings of it, and since when it does
-- not answer. All nodes share it: the one that asks next says so in asked_at.
CREATE TABLE IF NOT EXISTS issuer_keys (
    issuer_id  BIGINT      NOT NULL PRIMARY KEY,
    jwks       MEDIUMBLOB  NOT NULL,
    source     VARCHAR(64) NOT NULL DEFAULT '',
    fetched_at BIGINT      NOT NULL DEFAULT 0,
    asked_at   BIGINT      NOT NULL DEFAULT 0,
    -- The first failure after the last success, and what it was.
    away_since BIGINT      NOT NULL DEFAULT 0,
    away       MEDIUMTEXT  NOT NULL,
    FOREIGN KEY (issuer_id) REFERENCES issuers (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The latest tokens of an issuer that were refused, and why.
CREATE TABLE IF NOT EXISTS issuer_refusals (
    id        BIGINT       NOT NULL PRIMARY KEY AUTO_INCREMENT,
    issuer_id BIGINT       NOT NULL,
    at        BIGINT       NOT NULL,
    -- Who was asked for, from where and with what program.
    username  VARCHAR(255) NOT NULL,
    service   VARCHAR(255) NOT NULL,
    address   VARCHAR(255) NOT NULL,
    client    VARCHAR(255) NOT NULL,
    binding   VARCHAR(128) NOT NULL,
    reason    MEDIUMTEXT   NOT NULL,
    INDEX issuer_refusals_by_issuer (issuer_id, id),
    FOREIGN KEY (issuer_id) REFERENCES issuers (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS issuer_refusals;
DROP TABLE IF EXISTS issuer_keys;
DROP TABLE IF EXISTS bindings;
DROP TABLE IF EXISTS issuers;
