package dockit

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/apiserver"
)

// configOf is what api-server makes of its flags.
func configOf(t *testing.T, args ...string) (*caddy.Config, caddyhttp.App) {
	t.Helper()
	for _, variable := range []string{"DOCKIT_SQL_DSN", "DOCKIT_ROOT_PASSWORD"} {
		t.Setenv(variable, "") // it is set below, and is to be as before at the end
	}
	var o apiserver.Options
	flags := pflag.NewFlagSet("api-server", pflag.ContinueOnError)
	o.Register(flags)
	require.NoError(t, errors.Join(flags.Parse(args), o.Check()))
	configured, err := appOf(&o)
	require.NoError(t, err)
	config, err := o.Config(configured)
	require.NoError(t, err)
	var app caddyhttp.App
	require.NoError(t, json.Unmarshal(config.AppsRaw["http"], &app))
	return config, app
}

// runAPIServer runs api-server on a free port and returns its URL.
func runAPIServer(t *testing.T, args ...string) string {
	t.Helper()
	return runChanged(t, func(*caddy.Config) {}, args...)
}

// runChanged is runAPIServer after a change of what its flags make.
func runChanged(t *testing.T, change func(*caddy.Config), args ...string) string {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	config, _ := configOf(t, append([]string{
		"--listen", "127.0.0.1:0", "--log-level", "error", "--sql-dsn", filepath.Join(t.TempDir(), "dockit.sqlite"),
		"--root-user", rootName, "--root-password", rootPassword,
	}, args...)...)
	change(config)
	t.Cleanup(func() { _ = caddy.Stop() })
	require.NoError(t, caddy.Run(config))
	return "http://" + listenAddress(t)
}

// listenAddress is where the server of api-server listens.
func listenAddress(t testing.TB) string {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	require.NoError(t, err)
	return app.(*caddyhttp.App).Servers[apiserver.MainServer].Listeners()[0].Addr().String()
}

func TestAPIServerConfig(t *testing.T) {
	const secretDSN = "file:dockit.sqlite?_secret={braces}"
	config, app := configOf(t, "--sql-dsn", secretDSN, "--root-user", "root", "--root-password", "{correct}-horse-battery", "--issuer", "a{b}c")
	whole, err := json.Marshal(config)
	require.NoError(t, err)
	for _, secret := range []string{"horse", "_secret"} {
		assert.NotContains(t, string(whole), secret, "is in the configuration")
	}
	var d App
	require.NoError(t, json.Unmarshal(config.AppsRaw["dockit"], &d))
	dsn, err := expand("", d.Database.DSN)
	require.NoError(t, err)
	assert.Equal(t, secretDSN, dsn)
	root, err := d.RootUser.expanded()
	require.NoError(t, err, "root user")
	assert.Equal(t, "{correct}-horse-battery", root.Password, "root user %+v", root)
	issuer, err := expand("", d.Issuer)
	require.NoError(t, err)
	assert.Equal(t, "a{b}c", issuer)
	assert.True(t, config.Admin.Disabled, "the admin endpoint or autosave is on")
	assert.False(t, *config.Admin.Config.Persist, "the admin endpoint or autosave is on")
	assert.Equal(t, 10*time.Second, time.Duration(app.GracePeriod), "grace period %v", app.GracePeriod)
}

// TestAPIServerUpstream checks that what is not Dockit's goes to the registry,
// with what it needs to know to make URLs, and that a slow upload is not cut.
func TestAPIServerUpstream(t *testing.T) {
	type seen struct{ path, host, proto, auth, body string }
	requests, arrived := make(chan seen, 1), make(chan struct{}, 1)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		for err := error(nil); err == nil; {
			if _, err = io.CopyN(&body, r.Body, int64(len("blob"))); err == nil {
				arrived <- struct{}{}
			} else {
				assert.ErrorIs(t, err, io.EOF)
			}
		}
		requests <- seen{r.URL.Path, r.Host, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Authorization"), body.String()}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer registry.Close()
	base := runAPIServer(t, "--upstream", registry.URL)
	client := newClient(t)
	require.NoError(t, ask(client, base+"/v2/token?service=registry&scope=repository:app:pull"))

	body, send := io.Pipe()
	go func() {
		for range 4 { // each part once the registry has the one before
			_, _ = io.WriteString(send, "blob")
			<-arrived
		}
		_ = send.Close()
	}()
	req, err := http.NewRequest(http.MethodPatch, base+"/v2/app/blobs/uploads/1", body)
	require.NoError(t, err)
	req.Host = "registry.example.com"
	req.Header.Set("Authorization", "Bearer x")
	resp, err := client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	want := seen{"/v2/app/blobs/uploads/1", "registry.example.com", "http", "Bearer x", "blobblobblobblob"}
	assert.Equal(t, want, <-requests, resp.Status)
	assert.Equal(t, http.StatusAccepted, resp.StatusCode, resp.Status)

	_, app := configOf(t, "--upstream", registry.URL)
	server := app.Servers[apiserver.MainServer]
	assert.Zero(t, server.ReadTimeout, "a large layer would be cut")
	assert.Zero(t, server.WriteTimeout, "a large layer would be cut")
}

func TestAPIServerLimits(t *testing.T) {
	base := runAPIServer(t)
	client := newClient(t)
	status, body := get(t, client, base+"/v2/token?service=registry&scope="+strings.Repeat("a", 17<<10))
	assert.Equal(t, http.StatusBadRequest, status, "a query of 17 KB")
	assert.Contains(t, body, `"errors"`, "a query of 17 KB")
	// Beyond that the server closes the connection, perhaps before the client
	// has read the answer.
	resp, err := client.Get(base + "/v2/token?service=registry&scope=" + strings.Repeat("a", 80<<10))
	if err == nil {
		resp.Body.Close()
		assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode, "a query of 80 KB: %s", resp.Status)
	}
}

func TestAPIServerMetrics(t *testing.T) {
	port := freePort(t)
	base := runAPIServer(t, "--metrics-listen", site{port: port}.url("")[len("http://"):])
	client := newClient(t)
	require.NoError(t, ask(client, base+"/v2/token?service=registry&scope=repository:app:pull"))
	status, body := get(t, client, site{port: port}.url("/metrics"))
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "dockit_token_requests_total")
	// With --domain, a probe by address gets no certificate from the main one.
	for _, path := range []string{"/healthz", "/readyz"} {
		status, body := get(t, client, site{port: port}.url(path))
		assert.Equal(t, http.StatusOK, status, "%s at the metrics address: %s", path, body)
	}
	status, _ = get(t, client, site{port: port}.url("/dockit/api/v1/users"))
	assert.Equal(t, http.StatusNotFound, status, "the admin API at the metrics address")
	status, _ = get(t, client, site{port: port}.url("/v2/token"))
	assert.Equal(t, http.StatusNotFound, status, "tokens at the metrics address")
	status, _ = get(t, client, base+"/metrics")
	assert.Equal(t, http.StatusNotFound, status, "metrics at the main address")
}
