package login

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
	"github.com/dockit-registry/dockit/internal/httpclient"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"registry.example.com":          "https://registry.example.com/v2/",
		"registry.example.com/team/app": "https://registry.example.com/v2/",
		"HTTPS://registry.example.com/": "https://registry.example.com/v2/",
		"registry.example.com:5000":     "https://registry.example.com:5000/v2/",
		"localhost:5000":                "https://localhost:5000/v2/ or http",
		"127.0.0.2":                     "https://127.0.0.2/v2/ or http",
		"[::1]:5000":                    "https://[::1]:5000/v2/ or http",
		"http://localhost:5000":         "http://localhost:5000/v2/",
		"https://localhost:5000":        "https://localhost:5000/v2/",
	} {
		got, err := parseTarget(text)
		require.NoError(t, err, text)
		either := ""
		if got.either {
			either = " or http"
		}
		assert.Equal(t, want, got.base.String()+either, text)
	}
	for _, text := range []string{"", "http://registry.example.com", "http://10.0.0.1", "ftp://localhost", "user:secret@localhost", "http://localhost.example.com"} {
		_, err := parseTarget(text)
		require.Error(t, err, text)
		assert.Equal(t, 2, cli.ExitCode(err), text)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// TestWhereATokenMayGo guards which realms get one.
func TestWhereATokenMayGo(t *testing.T) {
	t.Parallel()
	const service = "registry.example.com"
	for name, tc := range map[string]struct{ registry, realm, service, says string }{
		"the registry's host":            {"registry.example.com", "https://registry.example.com/v2/token", service, ""},
		"another host":                   {"registry.example.com", "https://auth.example.com/v2/token?x=1", service, ""},
		"both on this machine":           {"localhost:5000", "http://127.0.0.1:4315/v2/token", "registry", ""},
		"from this machine":              {"localhost:5000", "https://auth.example.com/v2/token", service, ""},
		"http":                           {"registry.example.com", "http://registry.example.com/v2/token", service, "which is on http"},
		"http, from this machine":        {"localhost:5000", "http://auth.example.com/v2/token", service, "which is on http"},
		"a port of the client's machine": {"registry.example.com", "http://localhost:8080/v2/token", service, "which is on http"},
		"a file":                         {"registry.example.com", "file:///etc/passwd", service, "is no URL"},
		"a path":                         {"registry.example.com", "/v2/token", service, "is no URL"},
		"credentials":                    {"registry.example.com", "https://a:b@auth.example.com/v2/token", service, "is no URL"},
		"what steers the terminal":       {"registry.example.com", "https://a\x1b[31m", service, `"https://a?[31m"`},
		"no end":                         {"registry.example.com", "https://auth.example.com/" + strings.Repeat("a", maxRealm), service, "is no URL"},
		"no realm":                       {"registry.example.com", "", service, "is no URL"},
		"no service":                     {"registry.example.com", "https://auth.example.com/v2/token", "", "names no service"},
		"a service of lines":             {"registry.example.com", "https://auth.example.com/v2/token", "a\nb", "names no service"},
		"a service of no end":            {"registry.example.com", "https://auth.example.com/v2/token", strings.Repeat("a", maxService+1), "names no service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry, err := parseTarget(tc.registry)
			require.NoError(t, err)
			got, err := registry.accept(challenge.Challenge{Realm: tc.realm, Service: tc.service})
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.realm, got.realm.String())
			assert.Equal(t, tc.service, got.service)
		})
	}
}

// TestWhatRegistriesAnswer guards what is told of those that ask for no token.
func TestWhatRegistriesAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status  int
		headers map[string]string
		says    string
		again   bool
	}{
		"everybody":   {200, nil, "asks for no login", false},
		"not there":   {404, nil, "is that a registry?", false},
		"starting":    {503, nil, "status 503", true},
		"redirect":    {301, map[string]string{"Location": "https://elsewhere.example.com/"}, `redirects to "https://elsewhere.example.com/": name that`, false},
		"passwords":   {401, map[string]string{"WWW-Authenticate": `Basic realm="x"`}, "REGISTRY_AUTH=token", false},
		"nothing":     {401, nil, "without saying how", false},
		"a realm":     {401, map[string]string{"WWW-Authenticate": `Bearer realm="http://localhost/v2/token",service="registry"`}, "", false},
		"huge header": {401, map[string]string{"WWW-Authenticate": `Bearer realm="` + strings.Repeat("a", 2*maxHeaders) + `"`}, "exceeded", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/v2/", r.URL.Path)
				for name, value := range tc.headers {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tc.status)
			}))
			t.Cleanup(server.Close)
			registry, err := parseTarget(server.URL)
			require.NoError(t, err)
			_, err = registry.ask(t.Context(), httpclient.New(httpclient.Options{Timeout: 10 * time.Second, MaxHeaders: maxHeaders}))
			if tc.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.says)
			_, again := mayPass(err)
			assert.Equal(t, tc.again, again)
		})
	}
}

// site is a registry and its token endpoint on https.
func site(t *testing.T, answer http.HandlerFunc) (host, authority string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", server.URL+"/v2/token", "registry"))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, content, 0o600))
	return strings.TrimPrefix(server.URL, "https://"), authority
}

// TestCertificatesAreVerified guards that neither a registry that is not known to be
// the right one gets a token, nor plain http is tried where the certificate is wrong.
func TestCertificatesAreVerified(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	exchanged := 0
	host, authority := site(t, func(w http.ResponseWriter, r *http.Request) {
		exchanged++
		w.Header().Set("Content-Type", "application/json")
		clitest.Answers(http.StatusOK, `{"access_token":"dockit_x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A","username":"ci"}`)(w, r)
	})
	token := filepath.Join(t.TempDir(), "token.jwt")
	require.NoError(t, os.WriteFile(token, []byte("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJyZWdpc3RyeSJ9.c2ln"), 0o600))
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nobody's authority", nil, 1, "name the authority that signed the server's certificate with --ca-file"},
		{"its authority", []string{"--ca-file", authority}, 0, "Logged in to " + host + " as robot:ci; stored in"},
		{"not verified", []string{"--insecure"}, 0, "Warning: the server's TLS certificate is not verified"},
		{"no such authority", []string{"--ca-file", "missing.pem"}, 1, "CA file"},
		{"no time", []string{"--timeout", "0s"}, 2, "timeout"},
	} {
		exchanged = 0
		code, stdout, stderr := clitest.Run(cli.Execute, cli.NewCommand(NewLoginCommand()), append([]string{"login", host, "--token-file", token}, tc.args...)...)
		assert.Equal(t, tc.code, code, "%s: %s", tc.name, stderr)
		assert.Contains(t, stderr, tc.says, tc.name)
		assert.Empty(t, stdout, tc.name)
		assert.Equal(t, tc.code == 0, exchanged == 1, tc.name)
		assert.NotContains(t, stderr, "trying again", tc.name)
	}
}

// TestPlatformIsVerified guards that --insecure is about the registry and its server:
// the secret of a job goes to no CI service that is not known to be the right one.
func TestPlatformIsVerified(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	host, authority := site(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})
	asked := 0
	platform := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		clitest.Answers(http.StatusOK, `{"value":"eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJyZWdpc3RyeSJ9.c2ln"}`)(w, r)
	}))
	platform.Config.ErrorLog = log.New(io.Discard, "", 0)
	platform.StartTLS()
	t.Cleanup(platform.Close)
	for _, name := range []string{"DOCKIT_ID_TOKEN", "DOCKIT_ID_TOKEN_FILE", "FORGEJO_ACTIONS", "GITEA_ACTIONS"} {
		t.Setenv(name, "")
	}
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", platform.URL)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
	run := func(flags ...string) string {
		code, _, stderr := clitest.Run(cli.Execute, cli.NewCommand(NewLoginCommand()), append([]string{"login", host}, flags...)...)
		assert.Equal(t, 1, code)
		return stderr
	}
	assert.Contains(t, run("--insecure"), "GitHub Actions: ask "+strings.TrimPrefix(platform.URL, "https://")+" for a token: tls: failed to verify certificate")
	assert.Zero(t, asked)
	assert.Contains(t, run("--ca-file", authority), "status 418", "which has the same authority")
	assert.Equal(t, 1, asked)
}

// TestRedirectedExchange guards that a token follows nobody elsewhere.
func TestRedirectedExchange(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { assert.Fail(t, "it went elsewhere") }))
	t.Cleanup(elsewhere.Close)
	host, authority := site(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/v2/token", http.StatusTemporaryRedirect)
	})
	cmd := cli.NewCommand(NewLoginCommand())
	var output bytes.Buffer
	cmd.SetErr(&output)
	cmd.SetIn(strings.NewReader("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJyZWdpc3RyeSJ9.c2ln"))
	assert.Equal(t, 1, cli.Execute(cmd, []string{"login", host, "--token-file", "-", "--ca-file", authority}))
	assert.Contains(t, output.String(), "status 307")
}
