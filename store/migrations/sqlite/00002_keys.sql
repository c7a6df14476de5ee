-- +goose Up
-- Signing keys and authorities. Times are 0 as long as nothing happened.
CREATE TABLE signing_keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    purpose     TEXT    NOT NULL CHECK (purpose IN ('authority', 'shared', 'kid-only', 'own')),
    service     TEXT    NOT NULL DEFAULT '',
    issuer      TEXT    NOT NULL DEFAULT '',
    certificate BLOB    NOT NULL,
    private_key BLOB    NOT NULL,
    sealing     TEXT    NOT NULL DEFAULT '',
    brought     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    active_from INTEGER NOT NULL DEFAULT 0,
    retired_at  INTEGER NOT NULL DEFAULT 0,
    revoked_at  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Whoever changes the keys names the version that was read: nodes agree by it.
CREATE TABLE signing_keys_version (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO signing_keys_version (id, number) VALUES (1, 0);

-- +goose Down
DROP TABLE signing_keys_version;
DROP TABLE signing_keys;
