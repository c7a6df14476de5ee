-- +goose Up
-- What a login is for: refresh for what docker login keeps, page for a browser at
-- the page.
ALTER TABLE refresh_tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'refresh';
-- When the password was given last.
ALTER TABLE refresh_tokens ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
DELETE FROM refresh_tokens WHERE kind <> 'refresh';
ALTER TABLE refresh_tokens DROP COLUMN proved_at;
ALTER TABLE refresh_tokens DROP COLUMN kind;
