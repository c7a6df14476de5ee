-- MySQL knows no ADD COLUMN IF NOT EXISTS, and a node may die between a change
-- and the note that it was made: so each is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- The token that made an access token: its public id. Empty for what was made
-- with a password, which nothing limits, and for all that is older than this
-- column. The maker need not exist any more.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'access_tokens' AND column_name = 'made_by'),
    'DO 0', 'ALTER TABLE access_tokens ADD COLUMN made_by VARCHAR(64) NOT NULL DEFAULT '''', ADD INDEX access_tokens_by_maker (made_by)');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- The same of a password that a token set, and where and until when it is good.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name = 'subjects' AND column_name = 'password_made_by'),
    'DO 0', 'ALTER TABLE subjects ADD COLUMN password_made_by VARCHAR(64) NOT NULL DEFAULT '''', ADD COLUMN password_networks VARCHAR(4000) NOT NULL DEFAULT '''', ADD COLUMN password_expires_at BIGINT NOT NULL DEFAULT 0, ADD INDEX subjects_by_password_maker (password_made_by)');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
ALTER TABLE subjects DROP INDEX subjects_by_password_maker, DROP COLUMN password_expires_at, DROP COLUMN password_networks, DROP COLUMN password_made_by;
ALTER TABLE access_tokens DROP INDEX access_tokens_by_maker, DROP COLUMN made_by;
