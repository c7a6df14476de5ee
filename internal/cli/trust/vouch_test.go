package trust

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

// overPlainHTTP makes an init-container whose server is on another machine, and
// counts the requests that it gets.
func overPlainHTTP(t *testing.T, path string, handler http.HandlerFunc, change func(*initContainerFlags)) (i *initContainer, stderr *bytes.Buffer, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := trustServer(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	})
	f := &initContainerFlags{format: "pem", mode: "0644", interval: time.Second}
	f.BaseURL, f.Timeout = "http://dockit.example.com:4315", time.Second
	if change != nil {
		change(f)
	}
	cmd := NewInitContainerCommand()
	stderr = new(bytes.Buffer)
	cmd.SetOut(stderr)
	cmd.SetErr(stderr)
	i, err := f.container(cmd, path)
	require.NoError(t, err)
	i.source.http.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(server, "http://"))
	}}
	return i, stderr, requests
}

// Over plain HTTP from another machine, what a registry is to trust needs
// what is trusted already to vouch for it.
func TestInitContainerOverPlainHTTP(t *testing.T) {
	now, next, foreign := goodBundle(t), goodBundle(t), goodBundle(t)
	expired := string(certificatePEM(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "anchors")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	anchors := func(content string) func(*initContainerFlags) {
		path := file(content)
		return func(f *initContainerFlags) { f.anchors = path }
	}
	jwks := func(bundle string) string { return string(get(t, dockitWith(t, bundle), "/v2/certs/jwks")) }
	asJWKS := func(f *initContainerFlags) { f.format = "jwks" }
	// Every path is another server's, which knows what the file holds.
	mixed := dockitAfter(t, now+foreign, foreign)
	injected := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/certs/pem" {
			_, _ = w.Write([]byte(now + foreign))
			return
		}
		dockitWith(t, now)(w, r)
	}

	for name, c := range map[string]struct {
		present string
		handler http.HandlerFunc
		change  func(*initContainerFlags)
		says    string // empty: taken
		silent  bool   // nothing is even asked
	}{
		"nothing there":                     {"", dockitWith(t, now), nil, "use https, name what is expected with --fingerprint", true},
		"an expired file":                   {expired, dockitWith(t, now), nil, "use https", true},
		"a torn file":                       {now[:100], dockitWith(t, now), nil, "use https", true},
		"allowed":                           {"", dockitWith(t, now), func(f *initContainerFlags) { f.allowHTTP = true }, "", false},
		"pinned":                            {"", dockitWith(t, now), func(f *initContainerFlags) { f.fingerprints = []string{contentFingerprint([]byte(now))} }, "", false},
		"pinned otherwise":                  {"", dockitWith(t, foreign), func(f *initContainerFlags) { f.fingerprints = []string{contentFingerprint([]byte(now))} }, "does not have the fingerprint", false},
		"the same again":                    {now, dockitWith(t, now), nil, "", false},
		"one more, which the first signed":  {now, dockitAfter(t, now+next, now), nil, "", false},
		"another one, which it signed":      {now, dockitAfter(t, next, now+next), nil, "", false},
		"another server":                    {now, dockitWith(t, foreign), nil, "nothing that is trusted already vouches for it", false},
		"one more by another server":        {now, mixed, nil, "nothing that is trusted already vouches for it", false},
		"one more that nobody signed":       {now, injected, nil, "something else answers for one of the server's paths", false},
		"one less":                          {now + next, dockitAfter(t, now, now), nil, "", false},
		"anchors":                           {"", dockitWith(t, now), anchors(now), "", false},
		"anchors that sign the next one":    {"", dockitAfter(t, next, now+next), anchors(now), "", false},
		"anchors beside an older file":      {foreign, dockitWith(t, now), anchors(now), "", false},
		"anchors of another server":         {"", dockitWith(t, now), anchors(foreign), "nothing that is trusted already vouches for it", false},
		"anchors that are none":             {"", dockitWith(t, now), anchors("nothing"), "--anchors", true},
		"anchors as a key set":              {"", dockitWith(t, now), anchors(jwks(now)), "", false},
		"a key set":                         {jwks(now), dockitWith(t, now), asJWKS, "", false},
		"a key set of another server":       {jwks(now), dockitWith(t, foreign), asJWKS, "nothing that is trusted already vouches for it", false},
		"a server that signs nothing, kept": {now, clitest.Answers(200, now), nil, "check it against /v2/certs/jws", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trust")
			if c.present != "" {
				require.NoError(t, os.WriteFile(path, []byte(c.present), 0o600))
			}
			i, stderr, requests := overPlainHTTP(t, path, c.handler, c.change)
			_, err := i.run(t.Context())
			content, _ := os.ReadFile(path)
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				assert.Equal(t, c.present, string(content))
				assert.Equal(t, c.silent, requests.Load() == 0, "%d requests", requests.Load())
				return
			}
			require.NoError(t, err)
			served := httptest.NewRecorder()
			c.handler(served, httptest.NewRequestWithContext(t.Context(), http.MethodGet, i.source.format.path, nil))
			assert.Equal(t, served.Body.String(), string(content))
			assert.Equal(t, i.vouching.required, !strings.Contains(stderr.String(), "--allow-http") && len(i.pins) == 0, stderr)
		})
	}
}

// The same at every change that --watch finds.
func TestInitContainerWatchOverPlainHTTP(t *testing.T) {
	first, second, third, foreign := goodBundle(t), goodBundle(t), goodBundle(t), goodBundle(t)
	var handler atomic.Pointer[http.HandlerFunc]
	serve := func(h http.HandlerFunc) { handler.Store(&h) }
	serve(dockitWith(t, first))
	path := filepath.Join(t.TempDir(), "trust.pem")
	require.NoError(t, os.WriteFile(path, []byte(first), 0o600))
	i, _, _ := overPlainHTTP(t, path, func(w http.ResponseWriter, r *http.Request) { (*handler.Load())(w, r) }, nil)
	current, err := i.run(t.Context())
	require.NoError(t, err)
	w := &watch{initContainer: i, present: current.Trusted, problems: map[string]string{}}
	holds := func(want string) {
		t.Helper()
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(content))
	}

	require.NoError(t, w.look(t.Context()))
	serve(dockitAfter(t, first+foreign, foreign))
	require.ErrorContains(t, w.look(t.Context()), "nothing that is trusted already vouches for it")
	holds(first)
	serve(dockitAfter(t, first+second, first))
	require.NoError(t, w.look(t.Context()))
	holds(first + second)
	// The first one is gone, and what came with it vouches for the third.
	serve(dockitAfter(t, second+third, second))
	require.NoError(t, w.look(t.Context()))
	holds(second + third)
	serve(dockitWith(t, first))
	require.ErrorContains(t, w.look(t.Context()), "nothing that is trusted already vouches for it")
	holds(second + third)
	// What another process writes into the file vouches for nothing.
	require.NoError(t, os.WriteFile(path, []byte(foreign), 0o600))
	serve(dockitWith(t, foreign))
	require.ErrorContains(t, w.look(t.Context()), "nothing that is trusted already vouches for it")
}

// One certificate of Dockit's does not let another one in, whatever the
// connection is.
func TestInitContainerRefusesOneForeignCertificate(t *testing.T) {
	now, foreign := goodBundle(t), goodBundle(t)
	ours := dockitWith(t, now)
	for name, served := range map[string]string{"behind": now + foreign, "in front": foreign + now, "instead": foreign} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trust.pem")
			code, stdout, stderr := initInto(t, path, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/certs/pem" {
					_, _ = w.Write([]byte(served))
					return
				}
				ours(w, r)
			})
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			names, err := bundleFingerprints([]byte(foreign))
			require.NoError(t, err)
			assert.Contains(t, stderr, names[0]+" is not one that this server's keys have signed")
			assert.NoFileExists(t, path)
		})
	}
}

func TestAnybodyAnswers(t *testing.T) {
	for target, want := range map[string]bool{
		"http://localhost:4315": false, "http://LOCALHOST": false, "http://127.0.0.1:4315": false, "http://127.9.9.9": false,
		"http://[::1]:4315": false, "https://dockit.example.com": false, "https://10.0.0.1": false,
		"http://dockit:4315": true, "http://10.0.0.1": true, "http://[fe80::1]": true, "http://localhost.example.com": true,
		"http://127.0.0.1.example.com": true, "http://0.0.0.0": true,
	} {
		u, err := url.Parse(target)
		require.NoError(t, err)
		assert.Equal(t, want, cli.AnybodyAnswers(u), target)
	}
}
