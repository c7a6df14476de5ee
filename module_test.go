package dockit

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// provisionedApp provisions an app with the given global option, and returns
// what cleans it up.
func provisionedApp(t testing.TB, option string) (*App, func(), error) {
	t.Helper()
	var config *caddy.Config
	require.NoError(t, json.Unmarshal(adapt(t, "Caddyfile", "{\n\tdockit {\n"+option+"\n\t}\n}\n"), &config))
	empty, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	require.NoError(t, err)
	ctx, cleanup := caddy.NewContext(empty)
	app, err := ctx.LoadModuleByID("dockit", config.AppsRaw["dockit"])
	if err != nil {
		cleanup()
		return nil, nil, err
	}
	return app.(*App), cleanup, nil
}

func TestProvisionDefaults(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	app, cleanup, err := provisionedApp(t, "")
	require.NoError(t, err)
	defer cleanup()
	assert.Equal(t, "dockit", app.Issuer)
	require.Len(t, app.Services, 1)
	assert.Equal(t, "registry", app.Services[0].Name)
	file := filepath.Join(caddy.AppDataDir(), "dockit.sqlite")
	assert.Equal(t, file, app.store.DSN, "database")
	_, err = os.Stat(filepath.Dir(file))
	require.ErrorIs(t, err, fs.ErrNotExist, "provisioning made the data directory")
	app.stdout = io.Discard
	require.NoError(t, app.Start())
	_, err = os.Stat(file)
	assert.NoError(t, err)
}

func TestProvisionErrors(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.sqlite")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Repeat("not a database ", 100)), 0o600))
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	database := "database sqlite " + filepath.Join(dir, "dockit.sqlite") + "\n"
	for _, tc := range []struct {
		name, option string
		expected     []string
	}{
		{"unknown placeholder", "database sqlite {env.DOCKIT_TEST_UNSET}", []string{"database DSN", "{env.DOCKIT_TEST_UNSET}"}},
		{"no such secret", database + "root_user root {file." + filepath.Join(dir, "missing") + "}", []string{"root_user password", "missing"}},
		{"empty secret", database + "root_user root {file." + empty + "}", []string{"root_user password", "empty"}},
		{"placeholder of nothing", database + "issuer {dockit.issuer}", []string{"issuer", "{dockit.issuer}"}},
		{"unknown dialect", "database oracle x", []string{`"oracle"`}},
		{"unreadable database", "database sqlite " + broken, []string{broken}},
		{"no folder for the database", "database sqlite " + filepath.Join(dir, "none", "dockit.sqlite"), []string{"none"}},
		{"no PKI file", database + "pki file " + filepath.Join(dir, "missing.pem"), []string{"missing.pem"}},
		{"PKI file without key", database + "pki file " + empty, []string{empty}},
		{"unknown type of key", database + "pki generate {\n key_type dsa\n}", []string{`"dsa"`}},
		{"bad name", database + "root_user Root", []string{`"Root"`}},
		{"built-in name", database + "root_user anonymous", []string{"user:anonymous"}},
		{"password in clear", database + "root_user root correct-horse-battery", []string{"root_user password", "{file./path}"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, cleanup, err := provisionedApp(t, tc.option)
			if err == nil {
				cleanup()
			}
			require.Error(t, err, "provisioned")
			for _, expected := range tc.expected {
				require.ErrorContains(t, err, expected)
			}
			assert.NotContains(t, err.Error(), "hunter2", "error %q tells the password", err)
			databases.Range(func(key, _ any) bool {
				t.Errorf("database %v is left open", key)
				return true
			})
		})
	}
}

func TestCleanupHalfProvisioned(t *testing.T) {
	for _, app := range []*App{{}, {database: testDatabase(t)}} {
		assert.NoError(t, app.Cleanup())
	}
}

// TestValidateTouchesNothing validates as `caddy validate` does: whatever is in
// the folder of the database is the same afterwards.
func TestValidateTouchesNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, s site){
		"nothing there": func(*testing.T, site) {},
		"served before": func(t *testing.T, s site) {
			mustLoad(t, s.String())
			require.NoError(t, caddy.Stop())
		},
		"to be migrated": func(t *testing.T, s site) {
			d, err := sql.Open("sqlite", s.dsn)
			require.NoError(t, err)
			defer d.Close()
			_, err = d.ExecContext(t.Context(), "PRAGMA journal_mode = WAL; CREATE TABLE goose_db_version (version_id INTEGER, is_applied INTEGER)")
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			prepare(t, s)
			before := contents(t, filepath.Dir(s.dsn))
			var config *caddy.Config
			require.NoError(t, json.Unmarshal(adapt(t, "Caddyfile", s.String()), &config))
			require.NoError(t, caddy.Validate(config))
			after := contents(t, filepath.Dir(s.dsn))
			assert.Equal(t, before, after, "the folder holds %v, before %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
			databases.Range(func(key, _ any) bool {
				t.Errorf("database %v is left open", key)
				return true
			})
		})
	}
}

// contents is what a folder holds, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := make(map[string]string)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		all[entry.Name()] = string(content)
	}
	return all
}

func TestHandlerWithoutApp(t *testing.T) {
	var config *caddy.Config
	require.NoError(t, json.Unmarshal(adapt(t, "Caddyfile", ":80 {\n\tdockit\n}\n"), &config))
	_, err := caddy.ProvisionContext(config)
	require.ErrorContains(t, err, "global options", "error %v does not say what is missing", err)
}

// TestHandlerEndpoints checks which requests a handler answers, and that it
// hands all others on.
func TestHandlerEndpoints(t *testing.T) {
	mustLoad(t, newSite(t).String())
	ctx, cleanup := caddy.NewContext(caddy.ActiveContext())
	defer cleanup()
	const (
		token  = "/v2/token?service=registry.example.com&scope=repository:app:pull"
		pem    = "/v2/certs/pem"
		jwks   = "/v2/certs/jwks"
		admin  = "/dockit/api/v1/users"
		health = "/healthz"
		ready  = "/readyz"
		start  = "/dockit/"
		bare   = "/dockit"
		page   = "/dockit/credentials"
	)
	all := []string{token, pem, jwks, admin, health, ready, start, bare, page, "/v2/", "/v2/token/manifests/latest", "/", "/v2/certs/tags/list"}
	for _, tc := range []struct {
		endpoints []string
		answered  []string
	}{
		{nil, []string{token, pem, jwks, admin, health, ready, start, bare, page}},
		{[]string{"token"}, []string{token}},
		{[]string{"certs"}, []string{pem, jwks}},
		{[]string{"admin"}, []string{admin}},
		{[]string{"health"}, []string{health, ready}},
		{[]string{"ui"}, []string{start, bare, page}},
		{[]string{"admin", "ui"}, []string{admin, start, bare, page}},
		{[]string{"token", "certs"}, []string{token, pem, jwks}},
	} {
		t.Run(strings.Join(tc.endpoints, " "), func(t *testing.T) {
			raw, err := json.Marshal(Handler{Endpoints: tc.endpoints})
			require.NoError(t, err)
			module, err := ctx.LoadModuleByID("http.handlers.dockit", raw)
			require.NoError(t, err)
			answered := make(map[string]bool)
			for _, target := range tc.answered {
				answered[target] = true
			}
			for _, target := range all {
				handed := false
				err := module.(*Handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil),
					caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
						handed = true
						return errors.New("next")
					}))
				assert.NotEqual(t, answered[target], handed, target)
				if handed {
					assert.EqualError(t, err, "next", "%s: the error of the next handler became", target)
				}
			}
		})
	}
	_, err := ctx.LoadModuleByID("http.handlers.dockit", []byte(`{"endpoints":["tokens"]}`))
	assert.Error(t, err, "an unknown endpoint was provisioned")
}
