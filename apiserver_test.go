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
	if err := errors.Join(flags.Parse(args), o.Check()); err != nil {
		t.Fatal(err)
	}
	configured, err := appOf(&o)
	if err != nil {
		t.Fatal(err)
	}
	config, err := o.Config(configured)
	if err != nil {
		t.Fatal(err)
	}
	var app caddyhttp.App
	if err := json.Unmarshal(config.AppsRaw["http"], &app); err != nil {
		t.Fatal(err)
	}
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
	if err := caddy.Run(config); err != nil {
		t.Fatal(err)
	}
	return "http://" + listenAddress(t)
}

// listenAddress is where the server of api-server listens.
func listenAddress(t testing.TB) string {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*caddyhttp.App).Servers[apiserver.MainServer].Listeners()[0].Addr().String()
}

func TestAPIServerConfig(t *testing.T) {
	const secretDSN = "file:dockit.sqlite?_secret={braces}"
	config, app := configOf(t, "--sql-dsn", secretDSN, "--root-user", "root", "--root-password", "{correct}-horse-battery", "--issuer", "a{b}c")
	whole, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"horse", "_secret"} {
		if strings.Contains(string(whole), secret) {
			t.Errorf("%q is in the configuration", secret)
		}
	}
	var d App
	if err := json.Unmarshal(config.AppsRaw["dockit"], &d); err != nil {
		t.Fatal(err)
	}
	if dsn, err := expand("", d.Database.DSN); err != nil || dsn != secretDSN {
		t.Errorf("DSN %q, %v", dsn, err)
	}
	if root, err := d.RootUser.expanded(); err != nil || root.Password != "{correct}-horse-battery" {
		t.Errorf("root user %+v, %v", root, err)
	}
	if issuer, err := expand("", d.Issuer); err != nil || issuer != "a{b}c" {
		t.Errorf("issuer %q, %v", issuer, err)
	}
	if !config.Admin.Disabled || *config.Admin.Config.Persist {
		t.Error("the admin endpoint or autosave is on")
	}
	if time.Duration(app.GracePeriod) != 10*time.Second {
		t.Errorf("grace period %v", app.GracePeriod)
	}
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
			} else if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		}
		requests <- seen{r.URL.Path, r.Host, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Authorization"), body.String()}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer registry.Close()
	base := runAPIServer(t, "--upstream", registry.URL)
	client := newClient(t)
	if err := ask(client, base+"/v2/token?service=registry&scope=repository:app:pull"); err != nil {
		t.Error(err)
	}

	body, send := io.Pipe()
	go func() {
		for range 4 { // each part once the registry has the one before
			_, _ = io.WriteString(send, "blob")
			<-arrived
		}
		_ = send.Close()
	}()
	req, err := http.NewRequest(http.MethodPatch, base+"/v2/app/blobs/uploads/1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "registry.example.com"
	req.Header.Set("Authorization", "Bearer x")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := seen{"/v2/app/blobs/uploads/1", "registry.example.com", "http", "Bearer x", "blobblobblobblob"}
	if got := <-requests; got != want || resp.StatusCode != http.StatusAccepted {
		t.Errorf("%s, the registry saw %+v", resp.Status, got)
	}

	_, app := configOf(t, "--upstream", registry.URL)
	if server := app.Servers[apiserver.MainServer]; server.ReadTimeout != 0 || server.WriteTimeout != 0 {
		t.Error("a large layer would be cut")
	}
}

func TestAPIServerLimits(t *testing.T) {
	base := runAPIServer(t)
	client := newClient(t)
	status, body := get(t, client, base+"/v2/token?service=registry&scope="+strings.Repeat("a", 17<<10))
	if status != http.StatusBadRequest || !strings.Contains(body, `"errors"`) {
		t.Errorf("a query of 17 KB: %d %s", status, body)
	}
	// Beyond that the server closes the connection, perhaps before the client
	// has read the answer.
	resp, err := client.Get(base + "/v2/token?service=registry&scope=" + strings.Repeat("a", 80<<10))
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a query of 80 KB: %s", resp.Status)
		}
	}
}

func TestAPIServerMetrics(t *testing.T) {
	port := freePort(t)
	base := runAPIServer(t, "--metrics-listen", site{port: port}.url("")[len("http://"):])
	client := newClient(t)
	if err := ask(client, base+"/v2/token?service=registry&scope=repository:app:pull"); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, client, site{port: port}.url("/metrics")); status != http.StatusOK || !strings.Contains(body, "dockit_token_requests_total") {
		t.Errorf("%d %s", status, body)
	}
	// With --domain, a probe by address gets no certificate from the main one.
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := get(t, client, site{port: port}.url(path)); status != http.StatusOK {
			t.Errorf("%s at the metrics address: %d %s", path, status, body)
		}
	}
	if status, _ := get(t, client, site{port: port}.url("/dockit/api/v1/users")); status != http.StatusNotFound {
		t.Errorf("the admin API at the metrics address: %d", status)
	}
	if status, _ := get(t, client, site{port: port}.url("/v2/token")); status != http.StatusNotFound {
		t.Errorf("tokens at the metrics address: %d", status)
	}
	if status, _ := get(t, client, base+"/metrics"); status != http.StatusNotFound {
		t.Errorf("metrics at the main address: %d", status)
	}
}
