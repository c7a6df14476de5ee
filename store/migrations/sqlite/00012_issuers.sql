-- +goose Up
-- Who is trusted to say who a job or a workload is. Lists are JSON. Times, and
-- max_age in seconds, are 0 for none.
CREATE TABLE issuers (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE,
    url         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    audiences   TEXT    NOT NULL,
    -- Where its keys come from: one of both, or by discovery.
    jwks_url    TEXT    NOT NULL DEFAULT '',
    jwks        TEXT    NOT NULL,
    jwks_host   TEXT    NOT NULL DEFAULT '',
    ca          TEXT    NOT NULL,
    bearer_file TEXT    NOT NULL DEFAULT '',
    max_age     INTEGER NOT NULL DEFAULT 0,
    disabled    INTEGER NOT NULL DEFAULT 0,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

-- Which claims of an issuer stand for which robot.
CREATE TABLE bindings (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    name              TEXT    NOT NULL UNIQUE,
    issuer_id         INTEGER NOT NULL REFERENCES issuers (id) ON DELETE CASCADE,
    subject_id        INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    conditions        TEXT    NOT NULL,
    -- Permissions, separated by spaces; none: no limit.
    scopes            TEXT    NOT NULL,
    -- In seconds.
    session           INTEGER NOT NULL,
    allow_unprotected INTEGER NOT NULL DEFAULT 0,
    disabled          INTEGER NOT NULL DEFAULT 0,
    version           INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;

CREATE INDEX bindings_by_issuer ON bindings (issuer_id, name);
CREATE INDEX bindings_by_subject ON bindings (subject_id, name);

-- What an issuer published last, for which settings of it, and since when it does
-- not answer. All nodes share it: the one that asks next says so in asked_at.
CREATE TABLE issuer_keys (
    issuer_id  INTEGER NOT NULL PRIMARY KEY REFERENCES issuers (id) ON DELETE CASCADE,
    jwks       BLOB    NOT NULL,
    source     TEXT    NOT NULL DEFAULT '',
    fetched_at INTEGER NOT NULL DEFAULT 0,
    asked_at   INTEGER NOT NULL DEFAULT 0,
    -- The first failure after the last success, and what it was.
    away_since INTEGER NOT NULL DEFAULT 0,
    away       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- The latest tokens of an issuer that were refused, and why.
CREATE TABLE issuer_refusals (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer_id INTEGER NOT NULL REFERENCES issuers (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL,
    -- Who was asked for, from where and with what program.
    username  TEXT    NOT NULL,
    service   TEXT    NOT NULL,
    address   TEXT    NOT NULL,
    client    TEXT    NOT NULL,
    binding   TEXT    NOT NULL,
    reason    TEXT    NOT NULL
) STRICT;

CREATE INDEX issuer_refusals_by_issuer ON issuer_refusals (issuer_id, id);

-- +goose Down
DROP TABLE issuer_refusals;
DROP TABLE issuer_keys;
DROP TABLE bindings;
DROP TABLE issuers;
