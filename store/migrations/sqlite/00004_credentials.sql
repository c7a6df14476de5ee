-- +goose Up
-- Long-lived secrets of users and robots, by their public id. Of the secrets
-- there are hashes only. Times are 0 for never.
CREATE TABLE access_tokens (
    id                TEXT    NOT NULL PRIMARY KEY,
    subject_id        INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    name              TEXT    NOT NULL,
    hash              BLOB    NOT NULL,
    -- What the secret was before it was rotated, and how long that one works.
    previous_hash     BLOB    NOT NULL DEFAULT x'',
    previous_until    INTEGER NOT NULL DEFAULT 0,
    -- Permissions and address prefixes, separated by spaces; none: no limit.
    scopes            TEXT    NOT NULL DEFAULT '',
    networks          TEXT    NOT NULL DEFAULT '',
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL DEFAULT 0,
    rotated_at        INTEGER NOT NULL DEFAULT 0,
    last_used_at      INTEGER NOT NULL DEFAULT 0,
    last_used_address TEXT    NOT NULL DEFAULT '',
    last_used_client  TEXT    NOT NULL DEFAULT '',
    UNIQUE (subject_id, name)
) STRICT, WITHOUT ROWID;

-- What docker login keeps instead of a password.
CREATE TABLE refresh_tokens (
    id                TEXT    NOT NULL PRIMARY KEY,
    subject_id        INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    service           TEXT    NOT NULL,
    hash              BLOB    NOT NULL,
    client            TEXT    NOT NULL DEFAULT '',
    address           TEXT    NOT NULL DEFAULT '',
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    last_used_at      INTEGER NOT NULL,
    last_used_address TEXT    NOT NULL DEFAULT '',
    last_used_client  TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_subject ON refresh_tokens (subject_id, last_used_at);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Wrong passwords, by the name that was given and the address prefix that they
-- came from. Nobody needs to have the name: who guesses must not learn that.
CREATE TABLE login_failures (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL,
    network TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE INDEX login_failures_by_name ON login_failures (name, at, network);
CREATE INDEX login_failures_by_time ON login_failures (at);

-- Where a subject logged in from before.
CREATE TABLE login_networks (
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    network    TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (subject_id, network)
) STRICT, WITHOUT ROWID;

CREATE INDEX login_networks_by_time ON login_networks (at);

-- +goose Down
DROP TABLE login_networks;
DROP TABLE login_failures;
DROP TABLE refresh_tokens;
DROP TABLE access_tokens;
