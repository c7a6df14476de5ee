-- Timestamps are microseconds since the Unix epoch, UTC.
--
-- MySQL ends a transaction at each CREATE TABLE. A node that dies in between
-- leaves half a migration, so every statement can be made once more.

-- +goose NO TRANSACTION

-- +goose Up
-- Every transaction that writes updates this row first, and so waits for the
-- one before it. In a cluster, of two on different nodes one is undone.
CREATE TABLE IF NOT EXISTS write_lock (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO write_lock (id, number) VALUES (1, 0);

-- Users, robots and groups share one name space.
CREATE TABLE IF NOT EXISTS subjects (
    id            BIGINT       NOT NULL PRIMARY KEY AUTO_INCREMENT,
    kind          VARCHAR(16)  NOT NULL CHECK (kind IN ('user', 'robot', 'group')),
    name          VARCHAR(128) NOT NULL UNIQUE,
    admin         TINYINT      NOT NULL DEFAULT 0,
    disabled      TINYINT      NOT NULL DEFAULT 0,
    password_hash VARCHAR(512) NOT NULL DEFAULT '',
    version       BIGINT       NOT NULL DEFAULT 1,
    created_at    BIGINT       NOT NULL,
    updated_at    BIGINT       NOT NULL,
    INDEX subjects_by_kind (kind, name),
    -- Few subjects are admins: finding them must not read all users.
    INDEX subjects_by_admin (admin, disabled)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS memberships (
    group_id   BIGINT NOT NULL,
    member_id  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (member_id, group_id),
    INDEX memberships_by_group (group_id, member_id),
    FOREIGN KEY (group_id) REFERENCES subjects (id) ON DELETE CASCADE,
    FOREIGN KEY (member_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- actions is a set of bits: 1 pull, 2 push, 4 delete.
CREATE TABLE IF NOT EXISTS permissions (
    subject_id BIGINT       NOT NULL,
    type       VARCHAR(16)  NOT NULL CHECK (type IN ('repository', 'namespace', 'registry')),
    name       VARCHAR(256) NOT NULL,
    actions    TINYINT      NOT NULL CHECK (actions BETWEEN 1 AND 7),
    created_at BIGINT       NOT NULL,
    updated_at BIGINT       NOT NULL,
    PRIMARY KEY (subject_id, type, name),
    FOREIGN KEY (subject_id) REFERENCES subjects (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every change of rights increments the number in its own transaction.
CREATE TABLE IF NOT EXISTS revision (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO revision (id, number) VALUES (1, 1);

-- The built-in subjects have fixed ids: the program relies on them.
INSERT IGNORE INTO subjects (id, kind, name, created_at, updated_at) VALUES
    (1, 'user', 'anonymous', 0, 0),
    (2, 'group', 'authenticated', 0, 0);

-- +goose Down
DROP TABLE IF EXISTS revision;
DROP TABLE IF EXISTS permissions;
DROP TABLE IF EXISTS memberships;
DROP TABLE IF EXISTS subjects;
DROP TABLE IF EXISTS write_lock;
