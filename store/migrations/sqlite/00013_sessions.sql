-- +goose Up
-- Logins by tokens of issuers that last for longer than those. Of the secrets there
-- are hashes only.
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

-- +goose Down
DROP TABLE sessions;
