package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

// defaultAdminListen is where the admin endpoint of a Caddyfile with `admin { … }`
// and no address listens: on loopback, whatever CADDY_ADMIN says.
const defaultAdminListen = "localhost:2019"

// closeAdminEndpoint turns Caddy's admin endpoint off in a configuration that
// does not say itself whether and where there is one: it asks for no
// credentials, and a client that reaches it can become an admin of Dockit. CADDY_ADMIN
// is no reason to open it.
func closeAdminEndpoint(config []byte) ([]byte, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(config, &top); err != nil {
		return nil, fmt.Errorf("a configuration of Caddy is a JSON object: %w", err)
	}
	var admin map[string]json.RawMessage
	if raw, given := top["admin"]; given {
		if err := json.Unmarshal(raw, &admin); err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
	}
	if err := refuseLoading(admin["config"]); err != nil {
		return nil, err
	}
	if admin["disabled"] != nil || admin["listen"] != nil {
		return config, nil
	}
	if admin == nil {
		admin = make(map[string]json.RawMessage)
	}
	admin["disabled"] = json.RawMessage("true")
	raw, err := json.Marshal(admin)
	if err != nil {
		return nil, err
	}
	if top == nil {
		top = make(map[string]json.RawMessage)
	}
	top["admin"] = raw
	return json.Marshal(top)
}

// refuseLoading refuses a configuration that has Caddy load another one: that
// one would open the endpoint by saying nothing of it.
func refuseLoading(settings json.RawMessage) error {
	if settings == nil {
		return nil
	}
	var config struct {
		Load json.RawMessage `json:"load"`
	}
	if err := json.Unmarshal(settings, &config); err != nil {
		return fmt.Errorf("admin: config: %w", err)
	}
	if config.Load != nil {
		return errors.New("admin: config: load: dockit run serves what stands in its own file: fetch the configuration before, or build your own Caddy with Dockit")
	}
	return nil
}
