-- MySQL knows no CREATE INDEX IF NOT EXISTS, and a node may die between an
-- index and the note that it was made: so each is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- Few subjects are disabled: listing those must not read all users. For the few
-- admins there is an index.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name = 'subjects' AND index_name = 'subjects_disabled'),
    'DO 0', 'CREATE INDEX subjects_disabled ON subjects (kind, disabled, name)');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
DROP INDEX subjects_disabled ON subjects;
