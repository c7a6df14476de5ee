package dockit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/apiserver"
)

// TestFirstStartTellsWhatIsNext starts twice on one database: what is to be done
// is told once, to the person at the terminal or in the log.
func TestFirstStartTellsWhatIsNext(t *testing.T) {
	for _, atTerminal := range []bool{true, false} {
		terminal := isTerminal
		isTerminal = func(io.Writer) bool { return atTerminal }
		t.Cleanup(func() { isTerminal = terminal })
		dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
		start := func() (printed string, logged []observer.LoggedEntry) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			app := &App{
				Issuer:   "auth.example.com",
				Services: []*Service{{Name: "registry.example.com"}, {Name: "other.example.com"}},
				Database: &Database{Dialect: "sqlite", DSN: dsn},
			}
			require.NoError(t, app.Provision(ctx))
			defer app.Cleanup()
			core, logs := observer.New(zap.InfoLevel)
			var stdout bytes.Buffer
			app.logger, app.stdout = zap.New(core), &stdout
			app.publicURL, app.pageURL = "https://auth.example.com", "https://admin.example.com/dockit/"
			require.NoError(t, app.Start())
			return stdout.String(), logs.FilterMessageSnippet("first start").All()
		}

		printed, logged := start()
		require.Contains(t, printed, "Created the admin")
		if atTerminal {
			assert.Empty(t, logged)
			for _, line := range []string{
				"REGISTRY_AUTH=token",
				"REGISTRY_AUTH_TOKEN_REALM=https://auth.example.com/v2/token",
				"REGISTRY_AUTH_TOKEN_SERVICE=registry.example.com",
				"REGISTRY_AUTH_TOKEN_ISSUER=auth.example.com",
				"REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=/etc/registry/dockit.pem",
				"dockit init-container /etc/registry/dockit.pem --base-url https://auth.example.com",
				"dockit rbac --base-url https://auth.example.com --username admin add user:alice",
				"dockit rbac --base-url https://auth.example.com --username admin grant user:alice namespace:team:push",
			} {
				assert.Contains(t, printed, "\n       "+line+"\n")
			}
			assert.Contains(t, printed, "\n   or do so in a browser, as admin: https://admin.example.com/dockit/\n")
			assert.Contains(t, printed, "other.example.com")
		} else {
			assert.NotContains(t, printed, "REGISTRY_AUTH")
			require.Len(t, logged, 1)
			fields := logged[0].ContextMap()
			assert.Contains(t, fields["registry"], "REGISTRY_AUTH_TOKEN_REALM=https://auth.example.com/v2/token")
			assert.Equal(t, "dockit init-container /etc/registry/dockit.pem --base-url https://auth.example.com", fields["bundle"])
			assert.Len(t, fields["first_user"], 2)
			assert.Equal(t, "https://admin.example.com/dockit/", fields["page"])
			assert.Equal(t, []any{"other.example.com"}, fields["other_services"])
		}

		printed, logged = start()
		assert.Empty(t, printed, "of the second start")
		assert.Empty(t, logged, "of the second start")
	}
}

// TestPublicURL finds where clients reach the token endpoint, and people the page, in configurations.
func TestPublicURL(t *testing.T) {
	const global = "{\n\tadmin off\n\tdockit\n}\n"
	for name, tc := range map[string]struct{ caddyfile, want, page string }{
		"a host":              {"registry.example.com {\n\tdockit token certs\n\trespond ok\n}\n", "https://registry.example.com", ""},
		"a port":              {"registry.example.com:8443 {\n\tdockit\n}\n", "https://registry.example.com:8443", "https://registry.example.com:8443/dockit/"},
		"plain HTTP":          {"http://registry.example.com:8080 {\n\tdockit\n}\n", "http://registry.example.com:8080", "http://registry.example.com:8080/dockit/"},
		"plain HTTP, port 80": {"http://registry.example.com {\n\tdockit\n}\n", "http://registry.example.com", "http://registry.example.com/dockit/"},
		"any host":            {":8080 {\n\tdockit\n}\n", "http://localhost:8080", "http://localhost:8080/dockit/"},
		"the default":         {":4315 {\n\tdockit\n}\n", "http://localhost:4315", "http://localhost:4315/dockit/"},
		"the admin API first": {"admin.example.com {\n\tdockit admin\n}\nregistry.example.com {\n\tdockit token\n}\n", "https://registry.example.com", ""},
		"within a route":      {"registry.example.com {\n\troute {\n\t\tdockit\n\t}\n}\n", "https://registry.example.com", "https://registry.example.com/dockit/"},
		"a wildcard":          {"*.example.com {\n\ttls internal\n\tdockit\n}\n", "", unknownHost + "/dockit/"},
		"no tokens":           {"registry.example.com {\n\tdockit health\n}\n", "", ""},
		"the page elsewhere":  {"registry.example.com {\n\tdockit token certs\n}\nadmin.example.com {\n\tdockit admin ui\n}\n", "https://registry.example.com", "https://admin.example.com/dockit/"},
		"a Unix socket":       {"http://registry.example.com {\n\tbind unix//run/dockit.sock\n\tdockit\n}\n", "", unknownHost + "/dockit/"},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			require.NoError(t, json.Unmarshal(adapt(t, "Caddyfile", global+tc.caddyfile), &config))
			assert.Equal(t, tc.want, publicURL(config.AppsRaw["http"]))
			assert.Equal(t, tc.page, pageURL(config.AppsRaw["http"]))
		})
	}
	for name, tc := range map[string]struct {
		options apiserver.Options
		want    string
	}{
		"api-server":                    {apiserver.Options{Listen: ":4315"}, "http://localhost:4315"},
		"api-server --listen":           {apiserver.Options{Listen: "10.0.0.2:80"}, "http://10.0.0.2"},
		"api-server, any port":          {apiserver.Options{Listen: "127.0.0.1:0"}, ""},
		"api-server --domain":           {apiserver.Options{Listen: ":4315", Domains: []string{"registry.example.com"}}, "https://registry.example.com"},
		"api-server --listen --domain ": {apiserver.Options{Listen: ":8443", Domains: []string{"registry.example.com"}, Given: func(flag string) bool { return flag == "listen" }}, "https://registry.example.com:8443"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.options.Given == nil {
				tc.options.Given = func(string) bool { return false }
			}
			for _, ui := range []bool{true, false} {
				tc.options.UI = ui
				config, err := tc.options.Config(struct{}{})
				require.NoError(t, err)
				assert.Equal(t, tc.want, publicURL(config.AppsRaw["http"]))
				page := ""
				if ui {
					page = cmp.Or(tc.want, unknownHost) + "/dockit/"
				}
				assert.Equal(t, page, pageURL(config.AppsRaw["http"]))
			}
		})
	}
	assert.Empty(t, publicURL(nil))
	assert.Empty(t, pageURL(nil))
	assert.Empty(t, publicURL(json.RawMessage(`{"servers": 1}`)))
}
