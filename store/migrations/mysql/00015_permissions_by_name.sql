-- MySQL knows no CREATE INDEX IF NOT EXISTS, and a node may die between an
-- index and the note that it was made: so it is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- Who may do what to one repository must not read all permissions.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name = 'permissions' AND index_name = 'permissions_by_name'),
    'DO 0', 'CREATE INDEX permissions_by_name ON permissions (name)');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
DROP INDEX permissions_by_name ON permissions;
