-- +goose NO TRANSACTION

-- +goose Up
-- What a login is for: refresh for what docker login keeps, page for a browser at
-- the page; and when the password was given last. A node may die between a change
-- and the note that it was made: so they are looked for first.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'refresh_tokens' AND column_name = 'proved_at'),
    'DO 0', 'ALTER TABLE refresh_tokens ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT ''refresh'', ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
DELETE FROM refresh_tokens WHERE kind <> 'refresh';
ALTER TABLE refresh_tokens DROP COLUMN proved_at, DROP COLUMN kind;
