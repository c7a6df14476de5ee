-- +goose Up
-- The token that made an access token, or set a password: its public id. Empty
-- for what was made with a password, which nothing limits, and for all that is
-- older than this column. The maker need not exist any more.
ALTER TABLE access_tokens ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
ALTER TABLE subjects ADD COLUMN password_made_by TEXT NOT NULL DEFAULT '';
-- Where, and until when, a password is good that a token set.
ALTER TABLE subjects ADD COLUMN password_networks TEXT NOT NULL DEFAULT '';
ALTER TABLE subjects ADD COLUMN password_expires_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX access_tokens_by_maker ON access_tokens (made_by) WHERE made_by <> '';
CREATE INDEX subjects_by_password_maker ON subjects (password_made_by) WHERE password_made_by <> '';

-- +goose Down
DROP INDEX subjects_by_password_maker;
DROP INDEX access_tokens_by_maker;
ALTER TABLE subjects DROP COLUMN password_expires_at;
ALTER TABLE subjects DROP COLUMN password_networks;
ALTER TABLE subjects DROP COLUMN password_made_by;
ALTER TABLE access_tokens DROP COLUMN made_by;
