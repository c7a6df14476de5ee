package dockit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A Caddy that is built with Dockit opens its admin endpoint by itself, and
// whoever reaches that can make himself an admin.
func TestWarningOfTheAdminEndpoint(t *testing.T) {
	defaultListen := caddy.DefaultAdminListen
	t.Setenv("DOCKIT_TEST_ADMIN", "unix//run/caddy.sock")
	for name, tc := range map[string]struct {
		option, standard string
		warning          string
	}{
		"nothing said":       {"", defaultListen, `"admin_endpoint":"localhost:2019"`},
		"CADDY_ADMIN":        {"", "10.0.0.1:2020", `"admin_endpoint":"10.0.0.1:2020"`},
		"CADDY_ADMIN socket": {"", "unix//run/caddy.sock", ""},
		"only persist":       {"persist_config off", defaultListen, `"admin_endpoint":"localhost:2019"`},
		"off":                {"admin off", defaultListen, ""},
		"socket":             {"admin unix//run/caddy.sock", defaultListen, ""},
		"placeholder":        {"admin {env.DOCKIT_TEST_ADMIN}", defaultListen, ""},
		"TCP":                {"admin :2020", defaultListen, `"admin_endpoint":":2020"`},
		"TCP with origins":   {"admin {\n origins example.com\n}", defaultListen, `"admin_endpoint":"localhost:2019"`},
	} {
		t.Run(name, func(t *testing.T) {
			caddy.DefaultAdminListen = tc.standard
			defer func() { caddy.DefaultAdminListen = defaultListen }()
			dir := t.TempDir()
			log := filepath.Join(dir, "log")
			validate(t, "{\n"+tc.option+"\nlog {\n output file "+log+"\n}\ndockit {\n database sqlite "+filepath.Join(dir, "a")+"\n}\n}\n:0 {\n dockit\n}\n:1 {\n dockit\n}\n")
			logged, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			warnings := strings.Count(string(logged), "admin endpoint is open")
			switch {
			case tc.warning == "" && warnings > 0:
				t.Errorf("warned:\n%s", logged)
			case tc.warning != "" && (warnings != 1 || !strings.Contains(string(logged), tc.warning)):
				t.Errorf("%d warnings, none of which says %s:\n%s", warnings, tc.warning, logged)
			}
		})
	}
}

// validate provisions a Caddyfile as `caddy validate` does.
func validate(t *testing.T, caddyfile string) {
	t.Helper()
	var config *caddy.Config
	if err := json.Unmarshal(adapt(t, "Caddyfile", caddyfile), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err != nil {
		t.Fatal(err)
	}
}
