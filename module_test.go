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

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// provisionedApp provisions an app with the given global option, and returns
// what cleans it up.
func provisionedApp(t testing.TB, option string) (*App, func(), error) {
	t.Helper()
	var config *caddy.Config
	if err := json.Unmarshal(adapt(t, "Caddyfile", "{\n\tdockit {\n"+option+"\n\t}\n}\n"), &config); err != nil {
		t.Fatal(err)
	}
	empty, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	defer cleanup()
	if app.Issuer != "dockit" || len(app.Services) != 1 || app.Services[0].Name != "registry" {
		t.Errorf("issuer %q, services %v", app.Issuer, app.Services)
	}
	file := filepath.Join(caddy.AppDataDir(), "dockit.sqlite")
	if app.store.DSN != file {
		t.Errorf("database %s", app.store.DSN)
	}
	if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("provisioning made the data directory: %v", err)
	}
	app.stdout = io.Discard
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestProvisionErrors(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.sqlite")
	if err := os.WriteFile(broken, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
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
				t.Fatal("provisioned")
			}
			for _, expected := range tc.expected {
				if !strings.Contains(err.Error(), expected) {
					t.Errorf("error %q does not contain %q", err, expected)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q tells the password", err)
			}
			databases.Range(func(key, _ any) bool {
				t.Errorf("database %v is left open", key)
				return true
			})
		})
	}
}

func TestCleanupHalfProvisioned(t *testing.T) {
	for _, app := range []*App{{}, {database: testDatabase(t)}} {
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// TestValidateTouchesNothing validates as `caddy validate` does: whatever is in
// the folder of the database is the same afterwards.
func TestValidateTouchesNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, s site){
		"nothing there": func(*testing.T, site) {},
		"served before": func(t *testing.T, s site) {
			mustLoad(t, s.String())
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
		},
		"to be migrated": func(t *testing.T, s site) {
			d, err := sql.Open("sqlite", s.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := d.ExecContext(t.Context(), "PRAGMA journal_mode = WAL; CREATE TABLE goose_db_version (version_id INTEGER, is_applied INTEGER)"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			prepare(t, s)
			before := contents(t, filepath.Dir(s.dsn))
			var config *caddy.Config
			if err := json.Unmarshal(adapt(t, "Caddyfile", s.String()), &config); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(config); err != nil {
				t.Fatal(err)
			}
			if after := contents(t, filepath.Dir(s.dsn)); !maps.Equal(before, after) {
				t.Errorf("the folder holds %v, before %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
			}
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
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[entry.Name()] = string(content)
	}
	return all
}

func TestHandlerWithoutApp(t *testing.T) {
	var config *caddy.Config
	if err := json.Unmarshal(adapt(t, "Caddyfile", ":80 {\n\tdockit\n}\n"), &config); err != nil {
		t.Fatal(err)
	}
	_, err := caddy.ProvisionContext(config)
	if err == nil || !strings.Contains(err.Error(), "global options") {
		t.Fatalf("error %v does not say what is missing", err)
	}
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
	)
	all := []string{token, pem, jwks, admin, health, ready, "/v2/", "/v2/token/manifests/latest", "/dockit", "/", "/v2/certs/tags/list"}
	for _, tc := range []struct {
		endpoints []string
		answered  []string
	}{
		{nil, []string{token, pem, jwks, admin, health, ready}},
		{[]string{"token"}, []string{token}},
		{[]string{"certs"}, []string{pem, jwks}},
		{[]string{"admin"}, []string{admin}},
		{[]string{"health"}, []string{health, ready}},
		{[]string{"token", "certs"}, []string{token, pem, jwks}},
	} {
		t.Run(strings.Join(tc.endpoints, " "), func(t *testing.T) {
			raw, err := json.Marshal(Handler{Endpoints: tc.endpoints})
			if err != nil {
				t.Fatal(err)
			}
			module, err := ctx.LoadModuleByID("http.handlers.dockit", raw)
			if err != nil {
				t.Fatal(err)
			}
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
				if handed == answered[target] {
					t.Errorf("%s: handed on %v", target, handed)
				}
				if handed && (err == nil || err.Error() != "next") {
					t.Errorf("%s: the error of the next handler became %v", target, err)
				}
			}
		})
	}
	if _, err := ctx.LoadModuleByID("http.handlers.dockit", []byte(`{"endpoints":["tokens"]}`)); err == nil {
		t.Error("an unknown endpoint was provisioned")
	}
}
