package dockit

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// runLocking is runAPIServer with a lockout after three wrong passwords, which
// takes no half minute.
func runLocking(t *testing.T, args ...string) string {
	t.Helper()
	return runChanged(t, func(config *caddy.Config) {
		var app App
		require.NoError(t, json.Unmarshal(config.AppsRaw["dockit"], &app))
		app.Lockout = &Lockout{Failures: 3}
		config.AppsRaw["dockit"] = caddyconfig.JSON(&app, nil)
	}, args...)
}

// proxyTo is a proxy as people put in front: it adds where a request came from
// to what the client wrote of it, and says that the client came by HTTPS.
func proxyTo(t *testing.T, base string, transport http.RoundTripper) string {
	t.Helper()
	target, err := url.Parse(base)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header.Set("X-Forwarded-Proto", "https")
			r.Out.Header.Set("X-Forwarded-Host", "registry.example.com")
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// clientFrom connects from an address of this machine.
func clientFrom(t *testing.T, ip string) *http.Client {
	t.Helper()
	client := newClient(t)
	client.Transport.(*http.Transport).DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext
	return client
}

// loginStatus asks for a token, and says that it came from somewhere else as well.
func loginStatus(t *testing.T, client *http.Client, base, password string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/v2/token?service=registry", nil)
	require.NoError(t, err)
	req.SetBasicAuth(rootName, password)
	req.Header.Set("X-Forwarded-For", "127.0.0.3")
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// TestProxiedGuesserLocksNobodyElseOut guards that wrong passwords of one
// client behind a proxy that is trusted do not lock out another one there, and
// that what a client writes into X-Forwarded-For itself counts for nothing.
func TestProxiedGuesserLocksNobodyElseOut(t *testing.T) {
	guess := func(t *testing.T, base string) *http.Client {
		t.Helper()
		guesser, other := clientFrom(t, "127.0.0.2"), clientFrom(t, "127.0.0.3")
		for i := range 4 {
			require.Equal(t, http.StatusUnauthorized, loginStatus(t, guesser, base, "wrong-horse-battery"+strconv.Itoa(i)))
		}
		require.Equal(t, http.StatusUnauthorized, loginStatus(t, guesser, base, rootPassword), "is locked out")
		return other
	}
	t.Run("another client", func(t *testing.T) {
		front := proxyTo(t, runLocking(t, "--trusted-proxies", "127.0.0.1"), nil)
		other := guess(t, front)
		assert.Equal(t, http.StatusOK, loginStatus(t, other, front, rootPassword))
	})
	t.Run("a second proxy in front", func(t *testing.T) {
		second := proxyTo(t, runLocking(t, "--trusted-proxies", "127.0.0.1"), nil)
		front := proxyTo(t, second, nil)
		other := guess(t, front)
		assert.Equal(t, http.StatusOK, loginStatus(t, other, front, rootPassword))
	})
	t.Run("both in a trusted network", func(t *testing.T) {
		front := proxyTo(t, runLocking(t, "--trusted-proxies", "private_ranges"), nil)
		guesser, other := clientFrom(t, "127.0.0.2"), clientFrom(t, "127.0.0.3")
		for i := range 4 {
			req, err := http.NewRequest(http.MethodGet, front+"/v2/token?service=registry", nil)
			require.NoError(t, err)
			req.SetBasicAuth(rootName, "wrong-horse-battery"+strconv.Itoa(i))
			resp, err := guesser.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		assert.Equal(t, http.StatusOK, loginStatus(t, other, front, rootPassword))
	})
	t.Run("none is trusted", func(t *testing.T) {
		front := proxyTo(t, runLocking(t), nil)
		other := guess(t, front)
		assert.Equal(t, http.StatusUnauthorized, loginStatus(t, other, front, rootPassword), "the proxy is one address")
	})
	t.Run("over a Unix socket", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "dockit.sock")
		runLocking(t, "--listen", "unix/"+socket, "--trusted-proxies", "unix")
		front := proxyTo(t, "http://dockit", &http.Transport{DialContext: unixDialer(socket)})
		other := guess(t, front)
		assert.Equal(t, http.StatusOK, loginStatus(t, other, front, rootPassword))
	})
}

// TestProxiedClientInTheAuditAndTheNetworksOfTokens guards that both know the
// real address of a client behind a proxy.
func TestProxiedClientInTheAuditAndTheNetworksOfTokens(t *testing.T) {
	front := proxyTo(t, runAPIServer(t, "--trusted-proxies", "127.0.0.1"), nil)
	inside, outside := clientFrom(t, "127.0.0.2"), clientFrom(t, "127.0.0.3")
	call := func(client *http.Client, method, path, user, password, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, front+path, strings.NewReader(body))
		require.NoError(t, err)
		req.SetBasicAuth(user, password)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(content)
	}
	const api = "/dockit/api/v1"
	status, answer := call(inside, http.MethodPost, api+"/robots", rootName, rootPassword, `{"name":"ci"}`)
	require.Equal(t, http.StatusCreated, status, answer)
	status, answer = call(inside, http.MethodPost, api+"/robots/ci/access-tokens", rootName, rootPassword, `{"name":"deploy","networks":["127.0.0.2/32"]}`)
	require.Equal(t, http.StatusCreated, status, answer)
	var issued struct {
		Token string `json:"token"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &issued))
	status, answer = call(inside, http.MethodGet, "/v2/token?service=registry", "ci", issued.Token, "")
	assert.Equal(t, http.StatusOK, status, answer)
	status, answer = call(outside, http.MethodGet, "/v2/token?service=registry", "ci", issued.Token, "")
	assert.Equal(t, http.StatusUnauthorized, status, answer)
	_, answer = call(inside, http.MethodGet, api+"/audit", rootName, rootPassword, "")
	assert.Contains(t, answer, `"127.0.0.2"`)
	assert.NotContains(t, answer, `"127.0.0.1"`)
}

// TestProxiedUploadKeepsItsScheme guards that the registry behind --upstream
// makes the URL of an upload with the scheme and host that the client used.
func TestProxiedUploadKeepsItsScheme(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.Header.Get("X-Forwarded-Proto")+"://"+r.Header.Get("X-Forwarded-Host")+"/v2/app/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer registry.Close()
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"trusted", []string{"--trusted-proxies", "127.0.0.1"}, "https://registry.example.com/v2/app/blobs/uploads/1"},
		{"not trusted", nil, "http://dockit.internal/v2/app/blobs/uploads/1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			front := proxyTo(t, runAPIServer(t, append(tc.args, "--upstream", registry.URL)...), nil)
			req, err := http.NewRequest(http.MethodPost, front+"/v2/app/blobs/uploads/", nil)
			require.NoError(t, err)
			req.Host = "dockit.internal"
			resp, err := newClient(t).Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, tc.want, resp.Header.Get("Location"))
		})
	}
}

func unixDialer(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

// TestWarningAboutProxies guards that the operator learns, once, of a proxy
// that is not trusted, and of clients that can choose their address.
func TestWarningAboutProxies(t *testing.T) {
	for _, tc := range []struct {
		name, peer, forwarded string
		trusted               bool
		strict                int
		want                  string
	}{
		{"private peer", "10.0.0.1:4000", "192.0.2.1", false, 0, "no trusted proxy is ignored"},
		{"loopback", "[::1]:4000", "192.0.2.1", false, 0, "--trusted-proxies"},
		{"Unix socket", "@", "192.0.2.1", false, 0, "--trusted-proxies unix"},
		{"client on the internet", "192.0.2.9:4000", "192.0.2.1", false, 0, ""},
		{"no proxy", "10.0.0.1:4000", "", false, 0, ""},
		{"trusted", "10.0.0.1:4000", "192.0.2.1", true, 1, ""},
		{"trusted, not strictly", "10.0.0.1:4000", "192.0.2.1", true, 0, "trusted_proxies_strict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			var warnings proxyWarnings
			for range 3 {
				warnings.check(proxied(t, tc.peer, tc.forwarded, "", tc.trusted, tc.strict), zap.New(core))
			}
			if tc.want == "" {
				assert.Empty(t, logs.All())
				return
			}
			require.Len(t, logs.All(), 1)
			assert.Contains(t, logs.All()[0].Message, tc.want)
		})
	}
}

// proxied is a request as Caddy hands it on: with its own choice of address.
func proxied(t *testing.T, peer, forwarded, chosen string, trusted bool, strict int) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	ctx := context.WithValue(r.Context(), caddyhttp.ServerCtxKey, &caddyhttp.Server{TrustedProxiesStrict: strict, ClientIPHeaders: []string{"X-Forwarded-For"}})
	return r.WithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{
		caddyhttp.TrustedProxyVarKey: trusted, caddyhttp.ClientIPVarKey: chosen,
	}))
}

func TestClientBehindProxies(t *testing.T) {
	for _, tc := range []struct {
		name, peer, forwarded, chosen string
		trusted                       bool
		want                          string
	}{
		{"no proxy", "192.0.2.1:4000", "198.51.100.1", "192.0.2.1", false, "192.0.2.1"},
		{"the last that is no proxy", "10.0.0.1:4000", "198.51.100.1, 192.0.2.1", "192.0.2.1", true, "192.0.2.1"},
		{"behind two", "10.0.0.1:4000", "198.51.100.1, 192.0.2.1, 10.0.0.2", "192.0.2.1", true, "192.0.2.1"},
		{"with a port", "10.0.0.1:4000", "192.0.2.1:5000", "192.0.2.1", true, "192.0.2.1"},
		{"IPv6 with a port", "10.0.0.1:4000", "[2001:db8::1]:5000", "2001:db8::1", true, "2001:db8::1"},
		{"IPv6 with a port, behind what the client wrote", "10.0.0.1:4000", "198.51.100.1, [2001:db8::1]:5000", "198.51.100.1", true, "2001:db8::1"},
		{"IPv6 in brackets, behind what the client wrote", "10.0.0.1:4000", "198.51.100.1,[2001:db8::1]", "198.51.100.1", true, "2001:db8::1"},
		{"IPv6 in brackets, behind what the client wrote and a proxy", "10.0.0.1:4000", "198.51.100.1, [2001:db8::1], 10.0.0.2", "198.51.100.1", true, "2001:db8::1"},
		{"all are trusted: the first", "10.0.0.1:4000", "10.0.0.7, 10.0.0.2", "10.0.0.1", true, "10.0.0.7"},
		{"the proxy names itself", "10.0.0.1:4000", "10.0.0.7, 10.0.0.1", "10.0.0.1", true, "10.0.0.7"},
		{"behind what is no address", "10.0.0.1:4000", "192.0.2.1, unknown", "192.0.2.1", true, "10.0.0.1"},
		{"behind what is no address and a proxy", "10.0.0.1:4000", "192.0.2.1, unix:, 10.0.0.2", "192.0.2.1", true, "10.0.0.2"},
		{"nothing forwarded", "10.0.0.1:4000", "", "10.0.0.1", true, "10.0.0.1"},
		{"Unix socket", "@", "192.0.2.1", "192.0.2.1", true, "192.0.2.1"},
		{"Unix socket, all are trusted", "@", "10.0.0.7", "@", true, "10.0.0.7"},
		{"Unix socket, not trusted", "@", "192.0.2.1", "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, clientIP(proxied(t, tc.peer, tc.forwarded, tc.chosen, tc.trusted, 1)))
		})
	}
}
