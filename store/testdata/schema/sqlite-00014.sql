-- A database of schema version 14, as Dockit made it then. Never change it: see upgrade_test.go.
PRAGMA foreign_keys = OFF;
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
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
, password_made_by TEXT NOT NULL DEFAULT '', password_networks TEXT NOT NULL DEFAULT '', password_expires_at INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX subjects_by_kind ON subjects (kind, name);
CREATE INDEX subjects_by_admin ON subjects (admin, disabled);
CREATE TABLE memberships (
    group_id   INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    member_id  INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (member_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_group ON memberships (group_id, member_id);
CREATE TABLE permissions (
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    type       TEXT    NOT NULL CHECK (type IN ('repository', 'namespace', 'registry')),
    name       TEXT    NOT NULL,
    actions    INTEGER NOT NULL CHECK (actions BETWEEN 1 AND 7),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (subject_id, type, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE revision (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
, nonce INTEGER NOT NULL DEFAULT 0) STRICT;
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
, mac BLOB NOT NULL DEFAULT x'') STRICT, WITHOUT ROWID;
CREATE TABLE signing_keys_version (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
CREATE TABLE audit_entries (
    sequence     INTEGER NOT NULL PRIMARY KEY,
    at           INTEGER NOT NULL,
    action       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    state_before TEXT    NOT NULL,
    state_after  TEXT    NOT NULL,
    previous     TEXT    NOT NULL,
    hash         TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_entries_by_subject ON audit_entries (subject, sequence);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, sequence);
CREATE INDEX audit_entries_by_time ON audit_entries (at);
CREATE TABLE audit_head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;
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
    last_used_client  TEXT    NOT NULL DEFAULT '', made_by TEXT NOT NULL DEFAULT '',
    UNIQUE (subject_id, name)
) STRICT, WITHOUT ROWID;
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
, kind TEXT NOT NULL DEFAULT 'refresh', proved_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_subject ON refresh_tokens (subject_id, last_used_at);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE TABLE login_failures (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL,
    network TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX login_failures_by_name ON login_failures (name, at, network);
CREATE INDEX login_failures_by_time ON login_failures (at);
CREATE TABLE login_networks (
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    network    TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (subject_id, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_networks_by_time ON login_networks (at);
CREATE INDEX subjects_admins ON subjects (kind, name) WHERE admin = 1;
CREATE INDEX subjects_disabled ON subjects (kind, name) WHERE disabled = 1;
CREATE INDEX subjects_by_hash_kind ON subjects
    (SUBSTR(password_hash, 1, CASE WHEN SUBSTR(password_hash, 1, 2) = '$2' THEN 7 ELSE 28 END));
CREATE TABLE changes (
    revision   INTEGER PRIMARY KEY,
    subject_id INTEGER NOT NULL
, nonce INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX access_tokens_by_maker ON access_tokens (made_by) WHERE made_by <> '';
CREATE INDEX subjects_by_password_maker ON subjects (password_made_by) WHERE password_made_by <> '';
CREATE INDEX login_networks_by_network ON login_networks (network, at);
CREATE TABLE audit_checkpoints (
    number    INTEGER NOT NULL PRIMARY KEY,
    sequence  INTEGER NOT NULL,
    statement TEXT    NOT NULL
) STRICT;
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
CREATE TABLE sessions (
    id                TEXT    NOT NULL PRIMARY KEY,
    -- What its secret is: access or refresh.
    kind              TEXT    NOT NULL,
    subject_id        INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    binding_id        INTEGER NOT NULL REFERENCES bindings (id) ON DELETE CASCADE,
    service           TEXT    NOT NULL,
    hash              BLOB    NOT NULL,
    -- Permissions, separated by spaces; none: no limit beside the binding's.
    scopes            TEXT    NOT NULL,
    -- Those of the token that conditions named, and what tells people which job it
    -- was, as JSON.
    claims            TEXT    NOT NULL,
    job               TEXT    NOT NULL,
    client            TEXT    NOT NULL DEFAULT '',
    address           TEXT    NOT NULL DEFAULT '',
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    last_used_at      INTEGER NOT NULL,
    last_used_address TEXT    NOT NULL DEFAULT '',
    last_used_client  TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_binding ON sessions (binding_id, last_used_at);
CREATE INDEX sessions_by_subject ON sessions (subject_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
INSERT INTO access_tokens (id, subject_id, name, hash, previous_hash, previous_until, scopes, networks, created_at, expires_at, rotated_at, last_used_at, last_used_address, last_used_client, made_by) VALUES ('deploy', 4, 'deploy', X'00FF', X'', 0, '', '', 1700000000000000, 0, 0, 0, '', '', '');
INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, '');
INSERT INTO changes (revision, subject_id, nonce) VALUES (1, 3, 0);
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (1, 0, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (2, 1, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (3, 2, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (4, 3, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (5, 4, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (6, 5, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (7, 6, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (8, 7, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (9, 8, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (10, 9, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (11, 10, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (12, 11, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (13, 12, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (14, 13, 1, '2023-11-14 22:13:20');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (15, 14, 1, '2023-11-14 22:13:20');
INSERT INTO issuers (id, name, url, kind, audiences, jwks_url, jwks, jwks_host, ca, bearer_file, max_age, disabled, version, created_at, updated_at) VALUES (1, 'idp', 'https://idp.example.com', 'generic', '[]', '', '', '', '', '', 0, 0, 1, 1700000000000000, 1700000000000000);
INSERT INTO memberships (group_id, member_id, created_at) VALUES (5, 3, 1700000000000000);
INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (4, 'repository', 'team/app', 2, 1700000000000000, 1700000000000000);
INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (5, 'namespace', 'team', 1, 1700000000000000, 1700000000000000);
INSERT INTO revision (id, number, nonce) VALUES (1, 1, 0);
INSERT INTO signing_keys_version (id, number) VALUES (1, 0);
INSERT INTO subjects (id, kind, name, admin, disabled, password_hash, version, created_at, updated_at, password_made_by, password_networks, password_expires_at) VALUES (1, 'user', 'anonymous', 0, 0, '', 1, 0, 0, '', '', 0);
INSERT INTO subjects (id, kind, name, admin, disabled, password_hash, version, created_at, updated_at, password_made_by, password_networks, password_expires_at) VALUES (2, 'group', 'authenticated', 0, 0, '', 1, 0, 0, '', '', 0);
INSERT INTO subjects (id, kind, name, admin, disabled, password_hash, version, created_at, updated_at, password_made_by, password_networks, password_expires_at) VALUES (3, 'user', 'alice', 1, 0, '$2a$04$uptsupKGr67Y2qWUjSQjt.vYcOYpQbUJkDIUe8VRvrj5yQjD44KNi', 1, 1700000000000000, 1700000000000000, '', '', 0);
INSERT INTO subjects (id, kind, name, admin, disabled, password_hash, version, created_at, updated_at, password_made_by, password_networks, password_expires_at) VALUES (4, 'robot', 'ci', 0, 0, '', 1, 1700000000000000, 1700000000000000, '', '', 0);
INSERT INTO subjects (id, kind, name, admin, disabled, password_hash, version, created_at, updated_at, password_made_by, password_networks, password_expires_at) VALUES (5, 'group', 'dev', 0, 0, '', 1, 1700000000000000, 1700000000000000, '', '', 0);
