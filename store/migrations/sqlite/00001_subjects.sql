-- Timestamps are microseconds since the Unix epoch, UTC.

-- +goose Up
-- Users, robots and groups share one name space.
CREATE TABLE subjects (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT    NOT NULL CHECK (kind IN ('user', 'robot', 'group')),
    name          TEXT    NOT NULL UNIQUE,
    admin         INTEGER NOT NULL DEFAULT 0,
    disabled      INTEGER NOT NULL DEFAULT 0,
    password_hash TEXT    NOT NULL DEFAULT '',
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX subjects_by_kind ON subjects (kind, name);

-- Few subjects are admins: finding them must not read all users.
CREATE INDEX subjects_by_admin ON subjects (admin, disabled);

CREATE TABLE memberships (
    group_id   INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    member_id  INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (member_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_group ON memberships (group_id, member_id);

-- actions is a set of bits: 1 pull, 2 push, 4 delete.
CREATE TABLE permissions (
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    type       TEXT    NOT NULL CHECK (type IN ('repository', 'namespace', 'registry')),
    name       TEXT    NOT NULL,
    actions    INTEGER NOT NULL CHECK (actions BETWEEN 1 AND 7),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (subject_id, type, name)
) STRICT, WITHOUT ROWID;

-- Every change of rights increments the number in its own transaction.
CREATE TABLE revision (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO revision (id, number) VALUES (1, 1);

-- The built-in subjects have fixed ids: the program relies on them.
INSERT INTO subjects (id, kind, name, created_at, updated_at) VALUES
    (1, 'user', 'anonymous', 0, 0),
    (2, 'group', 'authenticated', 0, 0);

-- +goose Down
DROP TABLE revision;
DROP TABLE permissions;
DROP TABLE memberships;
DROP TABLE subjects;
