package dockit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/apiserver"
)

const plainPassword = "sent-over-plain-http"

// plainRequest asks the server on a port of this machine as a client of a host
// does, with credentials or without.
func plainRequest(t *testing.T, port int, host, method, path, body string, credentials bool) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), strings.NewReader(body))
	require.NoError(t, err)
	req.Host = host
	if credentials {
		req.SetBasicAuth("alice", plainPassword)
	}
	client := newClient(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(content)
}

// logFile is what a server logged so far; level WARN and above.
func logFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// wantPlainRefusal checks the answer and the one line of the log.
func wantPlainRefusal(t *testing.T, resp *http.Response, body, path, line string, credentials bool) {
	t.Helper()
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Empty(t, resp.Header.Get("Location"))
	assert.Empty(t, resp.Header.Get("Strict-Transport-Security"), "over plain HTTP")
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	if strings.HasPrefix(path, "/dockit/") {
		assert.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		var problem adminapi.Problem
		require.NoError(t, json.Unmarshal([]byte(body), &problem))
		assert.Equal(t, adminapi.CodeHTTPSNeeded, problem.Code)
		assert.Contains(t, problem.Detail, "https://")
	} else {
		var answer struct {
			Errors           []struct{ Code, Message string }
			ErrorDescription string `json:"error_description"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Len(t, answer.Errors, 1)
		assert.Equal(t, "DENIED", answer.Errors[0].Code)
		assert.Contains(t, answer.Errors[0].Message, "https://")
		assert.Equal(t, answer.Errors[0].Message, answer.ErrorDescription)
	}
	assert.Equal(t, 1, strings.Count(line, "\n"), line)
	assert.Equal(t, credentials, strings.Contains(line, "change the password or token"), line)
	for _, secret := range []string{plainPassword, base64.StdEncoding.EncodeToString([]byte("alice:" + plainPassword))} {
		assert.NotContains(t, line, secret)
	}
}

// TestPlainHTTPTakesNoCredentials serves sites over automatic HTTPS, and asks the
// server that redirects to them.
func TestPlainHTTPTakesNoCredentials(t *testing.T) {
	s := newSite(t)
	plain, secure, log := freePort(t), freePort(t), filepath.Join(t.TempDir(), "log")
	storage := t.TempDir()
	s.global = fmt.Sprintf("http_port %d\nhttps_port %d\nskip_install_trust\nstorage file_system %s\nlog refused {\noutput file %s\nlevel WARN\ninclude dockit.plain_http\n}", plain, secure, storage, log)
	mustLoad(t, s.String()+fmt.Sprintf(`
dockit.localhost {
	dockit
}
tokens.localhost {
	handle /v2/* {
		dockit token
	}
}
other.localhost {
	respond "somebody else's"
}
http://plain.localhost:%d {
	respond "plain on purpose"
}
`, plain))
	for _, tc := range []struct {
		name, host, method, path, body string
		credentials, noticed           bool
	}{
		{"token", "dockit.localhost", http.MethodGet, tokenPath, "", false, false},
		{"token with credentials", "dockit.localhost", http.MethodGet, tokenPath, "", true, true},
		{"token with a password in the body", "dockit.localhost", http.MethodPost, "/v2/token", "grant_type=password&username=alice&password=" + plainPassword, false, true},
		{"escaped", "dockit.localhost", http.MethodGet, "/v2/%74oken", "", true, true},
		{"another spelling of the host", "DOCKIT.localhost:80", http.MethodGet, tokenPath, "", true, true},
		{"asked for by a browser first", "dockit.localhost", http.MethodOptions, "/v2/token", "", false, false},
		{"admin API", "dockit.localhost", http.MethodGet, "/dockit/api/v1/users", "", true, true},
		{"admin API without credentials", "dockit.localhost", http.MethodGet, "/dockit/api/v1/users", "", false, false},
		{"a change", "dockit.localhost", http.MethodPost, "/dockit/api/v1/users", `{"name":"bob"}`, true, true},
		{"a host that nobody serves", "127.0.0.1", http.MethodGet, tokenPath, "", true, true},
		{"in a handle", "tokens.localhost", http.MethodGet, tokenPath, "", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := ""
			if _, err := os.Stat(log); err == nil {
				before = logFile(t, log)
			}
			resp, body := plainRequest(t, plain, tc.host, tc.method, tc.path, tc.body, tc.credentials)
			wantPlainRefusal(t, resp, body, tc.path, strings.TrimPrefix(logFile(t, log), before), tc.noticed)
		})
	}

	before := logFile(t, log)
	for _, tc := range []struct {
		name, host, path string
		status           int
	}{
		{"certificates", "dockit.localhost", "/v2/certs/pem", http.StatusPermanentRedirect},
		{"health", "dockit.localhost", "/readyz", http.StatusPermanentRedirect},
		{"challenges of ACME that nobody waits for", "dockit.localhost", "/.well-known/acme-challenge/x", http.StatusPermanentRedirect},
		{"the registry", "dockit.localhost", "/v2/", http.StatusPermanentRedirect},
		{"the page", "dockit.localhost", "/dockit/", http.StatusPermanentRedirect},
		{"an endpoint that is not of that site", "tokens.localhost", "/dockit/api/v1/users", http.StatusPermanentRedirect},
		{"a site of somebody else", "other.localhost", tokenPath, http.StatusPermanentRedirect},
		{"a site without TLS", "plain.localhost", tokenPath, http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, _ := plainRequest(t, plain, tc.host, http.MethodGet, tc.path, "", true)
			assert.Equal(t, tc.status, resp.StatusCode)
			if tc.status == http.StatusPermanentRedirect {
				assert.True(t, strings.HasPrefix(resp.Header.Get("Location"), "https://"+tc.host), resp.Header.Get("Location"))
			}
		})
	}
	t.Run("Dockit on plain HTTP on purpose", func(t *testing.T) {
		resp, _ := plainRequest(t, s.port, "127.0.0.1", http.MethodGet, tokenPath, "", false)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
	t.Run("no header for hosts of others", func(t *testing.T) {
		client := secureClient(t, storage, secure)
		for _, url := range []string{"https://dockit.localhost/healthz", "https://other.localhost/"} {
			resp := eventualGet(t, client, url)
			assert.Empty(t, resp.Header.Get("Strict-Transport-Security"), url)
		}
	})
	assert.Equal(t, before, logFile(t, log), "lines for what is not refused")
}

// secureClient trusts Caddy's internal issuer and finds every host on this machine.
func secureClient(t *testing.T, storage string, port int) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		root, err := os.ReadFile(filepath.Join(storage, "pki", "authorities", "local", "root.crt"))
		if err == nil && roots.AppendCertsFromPEM(root) {
			break
		}
		require.False(t, time.Now().After(deadline), err)
	}
	client := newClient(t)
	dialer := new(net.Dialer)
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.DialContext = dialTo(dialer, "127.0.0.1:"+strconv.Itoa(port))
	return client
}

// eventualGet asks until there is an answer: certificates are made in the
// background.
func eventualGet(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get(url)
		if err == nil {
			require.NoError(t, resp.Body.Close())
			return resp
		}
		require.False(t, time.Now().After(deadline), err)
	}
}

// TestDomainOnPlainHTTP runs what `api-server --domain` makes of its flags, on
// other ports and with the internal issuer.
func TestDomainOnPlainHTTP(t *testing.T) {
	storage := t.TempDir()
	t.Setenv("XDG_DATA_HOME", storage)
	plain, secure, log := freePort(t), freePort(t), filepath.Join(t.TempDir(), "log")
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	registry := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/itself" {
			w.Header().Set("Strict-Transport-Security", "max-age=1")
		}
	})}
	go registry.Serve(upstream)
	defer registry.Close()
	config, app := configOf(t, "--domain", "registry.example.com", "--log-level", "error", "--upstream", upstream.Addr().String(),
		"--sql-dsn", filepath.Join(t.TempDir(), "dockit.sqlite"), "--root-user", rootName, "--root-password", rootPassword)
	config.StorageRaw = caddyconfig.JSONModuleObject(filestorage.FileStorage{Root: storage}, "module", "file_system", nil)
	app.HTTPPort, app.HTTPSPort = plain, secure
	app.Servers[apiserver.MainServer].Listen = []string{"127.0.0.1:" + strconv.Itoa(secure)}
	app.Servers[apiserver.RedirectServer].Listen = []string{"127.0.0.1:" + strconv.Itoa(plain)}
	config.AppsRaw["http"] = caddyconfig.JSON(&app, nil)
	config.AppsRaw["tls"] = json.RawMessage(`{"automation":{"policies":[{"issuers":[{"module":"internal"}]}]}}`)
	config.Logging.Logs["refused"] = &caddy.CustomLog{Include: []string{"dockit.plain_http"}, BaseLog: caddy.BaseLog{
		Level: "WARN", WriterRaw: json.RawMessage(fmt.Sprintf(`{"output":"file","filename":%q}`, log)),
	}}
	t.Cleanup(func() { _ = caddy.Stop() })
	require.NoError(t, caddy.Run(config))

	before := ""
	for _, host := range []string{"registry.example.com", "10.0.0.1"} {
		for _, path := range []string{"/v2/token", "/dockit/api/v1/users"} {
			resp, body := plainRequest(t, plain, host, http.MethodGet, path, "", true)
			after := logFile(t, log)
			wantPlainRefusal(t, resp, body, path, strings.TrimPrefix(after, before), true)
			before = after
		}
	}
	resp, _ := plainRequest(t, plain, "registry.example.com", http.MethodGet, "/v2/", "", false)
	assert.Equal(t, http.StatusPermanentRedirect, resp.StatusCode)
	assert.Empty(t, resp.Header.Get("Strict-Transport-Security"))

	client := secureClient(t, storage, secure)
	for path, want := range map[string]string{
		"/healthz": "max-age=31536000", "/v2/token?service=nobody": "max-age=31536000", "/v2/": "max-age=31536000",
		"/v2/itself": "max-age=1",
	} {
		resp := eventualGet(t, client, "https://registry.example.com"+path)
		assert.Equal(t, []string{want}, resp.Header.Values("Strict-Transport-Security"), path)
	}
}

// TestChallengesOfACME guards that nothing stands before them on plain HTTP.
func TestChallengesOfACME(t *testing.T) {
	served := false
	p := &plainHTTP{app: new(caddyhttp.App), refusal: http.NotFoundHandler()}
	p.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, wrapped := w.(*redirectRefuser)
		served = !wrapped
	})).ServeHTTP(nil, &http.Request{URL: mustURL(t, "http://registry.example.com/.well-known/acme-challenge/token")})
	assert.True(t, served)
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	require.NoError(t, err)
	return parsed
}

func dialTo(dialer *net.Dialer, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}
