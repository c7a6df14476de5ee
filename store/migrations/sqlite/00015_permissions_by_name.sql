-- +goose Up
-- Who may do what to one repository must not read all permissions.
CREATE INDEX permissions_by_name ON permissions (name);

-- +goose Down
DROP INDEX permissions_by_name;
