package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/otlp"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// A Caddy that xcaddy builds with the module has Dockit's commands, and serves it from a Caddyfile in front of a
// registry.
func TestXCaddy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Caddy with all its modules")
	}
	t.Parallel()
	caddy := buildCaddy(t)

	t.Run("commands", func(t *testing.T) {
		t.Parallel()
		cli := dockit.CLI{Path: caddy, Args: []string{"dockit"}, Env: dockit.Environment(t.TempDir())}
		out, err := cli.Run(t.Context(), "version")
		require.NoError(t, err)
		require.Contains(t, out, "v2.", "no version of Caddy in it")

		for _, args := range [][]string{{"serve"}, {"rbac", "befriend"}, {"version", "--colour"}, {"rbac", "show", "alice"}} {
			_, err = cli.Run(t.Context(), args...)
			requireExitCode(t, 2, err)
		}
		_, err = cli.Run(t.Context(), "init-container")
		requireExitCode(t, 2, err)
	})

	t.Run("registry", func(t *testing.T) {
		t.Parallel()
		testCaddyInFrontOfRegistry(t, caddy)
	})
	t.Run("trace", func(t *testing.T) {
		t.Parallel()
		testCaddyJoinsTrace(t, caddy)
	})
}

// testCaddyJoinsTrace has a client that is in a trace ask for a token: the access log, the spans that a collector gets, and what
// goes on to the registry are of the same trace, and no password is in a span.
func testCaddyJoinsTrace(t *testing.T, caddy string) {
	t.Helper()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	collector := otlp.NewReceiver()
	t.Cleanup(collector.Close)
	forwarded := make(chan string, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { forwarded <- r.Header.Get("Traceparent") }))
	t.Cleanup(upstream.Close)
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	password := rand.Text()
	server, err := dockit.Start(t.Context(), dockit.Config{
		Binary: caddy, Port: p, Dir: t.TempDir(), RootUser: "admin", RootPassword: password,
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.Endpoint(), "OTEL_SERVICE_NAME=registry-auth"},
		Caddyfile: writeFile(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	dockit {
		service %s
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}

http://%s {
	log {
		format json
	}
	tracing {
		span dockit
	}
	dockit
	reverse_proxy %s
}
`, service, port.Localhost(p), strings.TrimPrefix(upstream.URL, "http://"))),
	})
	require.NoError(t, err)
	stopAtEnd(t, server.Process)
	paths := []string{"/v2/token", "/v2/"}
	for _, path := range paths {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?service="+service+"&scope=repository:app:pull", nil)
		require.NoError(t, err)
		r.SetBasicAuth("admin", password)
		r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
		response, err := server.HTTPClient().Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	sent := <-forwarded
	require.NoError(t, server.Stop()) // which sends what spans are left
	require.Regexp(t, `"uri":"/v2/token[^\n]*"traceID":"`+trace+`"`, server.Output())

	spans := make(map[string]*otlp.Span)
	for _, span := range collector.Spans() {
		if hex.EncodeToString(span.GetTraceId()) != trace {
			continue // the wait for the server to be ready
		}
		require.Equal(t, parent, hex.EncodeToString(span.GetParentSpanId()), "the client's span is not its parent")
		require.Equal(t, "dockit", span.GetName())
		require.Equal(t, "registry-auth", span.Service)
		require.NotContains(t, span.String(), password)
		for _, attribute := range span.GetAttributes() {
			if attribute.GetKey() == "url.path" {
				spans[attribute.GetValue().GetStringValue()] = span
			}
		}
	}
	require.ElementsMatch(t, paths, slices.Collect(maps.Keys(spans)), "spans of requests")
	require.Contains(t, sent, trace+"-"+hex.EncodeToString(spans["/v2/"].GetSpanId()), "the registry is not below Caddy's span")
}

func testCaddyInFrontOfRegistry(t *testing.T, caddy string) {
	t.Helper()
	binary := registryBinary(t, registry.V3)
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	registryPort, err := port.Free(t.Context())
	require.NoError(t, err)
	config := dockit.Config{
		Binary: caddy,
		Port:   p,
		Dir:    t.TempDir(),
		Caddyfile: writeFile(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	grace_period 10s
	dockit {
		service %s
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}

http://%s {
	dockit
	reverse_proxy %s
}
`, service, port.Localhost(p), port.Localhost(registryPort))),
		RootUser:     "admin",
		RootPassword: rand.Text(),
	}
	server, err := dockit.Start(t.Context(), config)
	require.NoError(t, err)
	stopAtEnd(t, server.Process)

	admin := server.Admin()
	admin.Args = []string{"dockit"}
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err = admin.Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	startRegistry(t, registry.Config{
		Binary:         binary,
		Port:           registryPort,
		Realm:          server.URL + "/v2/token",
		Service:        service,
		RootCertBundle: bundle,
	})

	alice := client{host: server.Host, username: "alice", password: rand.Text()}
	_, err = admin.RunInput(t.Context(), alice.password, "rbac", "add", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "grant", alice.ref(), "repository:team/app:push")
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "can-i", alice.ref(), "delete", "team/app")
	requireExitCode(t, 1, err)
	requirePushed(t, alice, "team/app")
	requireRefused(t, alice.push(t, "team/other", newImage(t)))
}

// buildCaddy builds the version of Caddy that Dockit requires with this checkout's module, as the README says.
func buildCaddy(t *testing.T) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2")
	list.Dir = root
	version, err := list.Output()
	require.NoError(t, err)

	caddy := filepath.Join(t.TempDir(), "caddy")
	cmd := exec.CommandContext(t.Context(), built(t, buildXCaddy), "build", strings.TrimSpace(string(version)),
		"--with", "github.com/dockit-registry/dockit@v0.0.0="+root, "--output", caddy)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as Dockit is built: most of it is in the build cache
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Run(), "%s", &output)
	return caddy
}
