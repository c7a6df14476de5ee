-- MySQL knows no CREATE INDEX IF NOT EXISTS, and a node may die between an
-- index and the note that it was made: so it is looked for first.

-- +goose NO TRANSACTION

-- +goose Up
-- Whether anybody logged in from a network is asked for when passwords wait.
SET @make = IF(
    EXISTS (SELECT 1 FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name = 'login_networks' AND index_name = 'login_networks_by_network'),
    'DO 0', 'CREATE INDEX login_networks_by_network ON login_networks (network, at)');
PREPARE make FROM @make;
EXECUTE make;
DEALLOCATE PREPARE make;

-- +goose Down
DROP INDEX login_networks_by_network ON login_networks;
