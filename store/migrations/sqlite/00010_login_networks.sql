-- +goose Up
-- Whether anybody logged in from a network is asked for when passwords wait.
CREATE INDEX login_networks_by_network ON login_networks (network, at);

-- +goose Down
DROP INDEX login_networks_by_network;
