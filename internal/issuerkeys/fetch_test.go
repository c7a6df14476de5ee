package issuerkeys

import (
	"compress/gzip"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

func trusted(i *issuertest.Issuer) federation.Issuer {
	return federation.Issuer{Name: "idp", URL: i.URL, Kind: federation.Generic}
}

// redirect sends whoever comes elsewhere.
func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// text answers with a text.
func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, s) }
}

func TestFetchByDiscovery(t *testing.T) {
	i := issuertest.New(t)
	i.Rotate(t)
	keys, set, err := Fetch(t.Context(), trusted(i))
	require.NoError(t, err)
	assert.Len(t, set.Keys, 2)
	assert.JSONEq(t, string(i.JWKS()), string(keys.JWKS))
	assert.Equal(t, trusted(i).KeySource(), keys.Source)
	assert.WithinDuration(t, time.Now(), keys.FetchedAt, time.Minute)
	assert.Equal(t, []string{""}, i.Authorizations(issuertest.Keys))
}

func TestFetchBelowAPath(t *testing.T) {
	for name, path := range map[string]string{"without a slash": "/tenant/v2.0", "with a slash": "/tenant/v2.0/"} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.New(t)
			origin := i.URL
			i.URL += path
			i.Answer("/tenant/v2.0"+discoveryPath, text(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL, origin+issuertest.Keys)))
			_, set, err := Fetch(t.Context(), trusted(i))
			require.NoError(t, err)
			assert.Len(t, set.Keys, 1)
		})
	}
}

func TestFetchElsewhere(t *testing.T) {
	i := issuertest.New(t)
	issuer := trusted(i)
	issuer.URL, issuer.JWKSURL = "https://kubernetes.default.svc", i.Server.URL+issuertest.Keys
	_, set, err := Fetch(t.Context(), issuer)
	require.NoError(t, err)
	assert.Len(t, set.Keys, 1)
	assert.Zero(t, i.Requests(issuertest.Discovery), "where the keys are is known")
}

func TestKeysThatAreGivenAreFetchedNowhere(t *testing.T) {
	i := issuertest.Offline(t, "https://idp.invalid")
	issuer := trusted(i)
	issuer.JWKS = string(i.JWKS())
	keys, set, err := Fetch(t.Context(), issuer)
	require.NoError(t, err)
	assert.Len(t, set.Keys, 1)
	assert.Equal(t, issuer.JWKS, string(keys.JWKS))
}

func TestFetchByTLS(t *testing.T) {
	i := issuertest.NewTLS(t)
	issuer := trusted(i)
	_, _, err := Fetch(t.Context(), issuer)
	require.ErrorIs(t, err, ErrAnswer, "nobody vouches for it")
	issuer.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Server.Certificate().Raw}))
	_, set, err := Fetch(t.Context(), issuer)
	require.NoError(t, err)
	assert.Len(t, set.Keys, 1)
}

func TestFetchRefuses(t *testing.T) {
	evil := issuertest.New(t)
	for name, c := range map[string]struct {
		arrange func(*issuertest.Issuer)
		says    string
	}{
		"discovery that redirects": {func(i *issuertest.Issuer) { i.Answer(issuertest.Discovery, redirect(evil.URL+issuertest.Discovery)) }, "redirects to"},
		"keys that redirect":       {func(i *issuertest.Issuer) { i.Answer(issuertest.Keys, redirect(evil.URL+issuertest.Keys)) }, "redirects to"},
		"keys on another host":     {func(i *issuertest.Issuer) { i.Discover(map[string]any{"jwks_uri": evil.URL + issuertest.Keys}) }, "--jwks-host " + strings.TrimPrefix(evil.URL, "http://")},
		"keys in a file":           {func(i *issuertest.Issuer) { i.Discover(map[string]any{"jwks_uri": "file:///etc/passwd"}) }, "another host"},
		"keys without a scheme":    {func(i *issuertest.Issuer) { i.Discover(map[string]any{"jwks_uri": "keys"}) }, "another host"},
		"keys nowhere":             {func(i *issuertest.Issuer) { i.Discover(map[string]any{"jwks_uri": ""}) }, "no jwks_uri"},
		"keys that are no URL":     {func(i *issuertest.Issuer) { i.Discover(map[string]any{"jwks_uri": "http://[::1"}) }, "no URL"},
		"keys with a name and a password of the host": {func(i *issuertest.Issuer) {
			i.Discover(map[string]any{"jwks_uri": "http://" + strings.TrimPrefix(i.URL, "http://") + "@" + strings.TrimPrefix(evil.URL, "http://") + "/keys"})
		}, "another host"},
		"another issuer":              {func(i *issuertest.Issuer) { i.Discover(map[string]any{"issuer": evil.URL}) }, "says that the issuer is"},
		"issuer with a slash":         {func(i *issuertest.Issuer) { i.Discover(map[string]any{"issuer": i.URL + "/"}) }, "says that the issuer is"},
		"issuer of another type":      {func(i *issuertest.Issuer) { i.Discover(map[string]any{"issuer": 7}) }, "not JSON as expected"},
		"page for people":             {func(i *issuertest.Issuer) { i.Answer(issuertest.Discovery, page) }, "page for people"},
		"discovery that is no JSON":   {func(i *issuertest.Issuer) { i.Answer(issuertest.Discovery, text("hello")) }, "not JSON as expected"},
		"keys that are no JSON":       {func(i *issuertest.Issuer) { i.Answer(issuertest.Keys, text("hello")) }, "JWK set"},
		"discovery that asks who":     {func(i *issuertest.Issuer) { i.Answer(issuertest.Discovery, status(http.StatusForbidden)) }, "--bearer-file"},
		"discovery that is not there": {func(i *issuertest.Issuer) { i.Answer(issuertest.Discovery, http.NotFound) }, "status 404"},
		"away":                        {func(i *issuertest.Issuer) { i.Away(true) }, "status 503"},
		"gone":                        {func(i *issuertest.Issuer) { i.Server.Close() }, "ask"},
		"endless keys":                {func(i *issuertest.Issuer) { i.Answer(issuertest.Keys, endless) }, "larger than 1048576"},
		"endless keys, compressed":    {func(i *issuertest.Issuer) { i.Answer(issuertest.Keys, compressed) }, "larger than 1048576"},
		"endless headers":             {func(i *issuertest.Issuer) { i.Answer(issuertest.Keys, endlessHeaders) }, "ask"},
	} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.New(t)
			c.arrange(i)
			_, _, err := Fetch(t.Context(), trusted(i))
			require.ErrorIs(t, err, ErrAnswer)
			require.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 1_000)
		})
	}
	assert.Zero(t, evil.Requests(issuertest.Keys)+evil.Requests(issuertest.Discovery), "nobody is sent there")
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprint(w, "<html>")
}

// endless writes until nobody reads.
func endless(w http.ResponseWriter, _ *http.Request) { writeEndlessly(w) }

func writeEndlessly(w io.Writer) {
	for chunk := []byte(strings.Repeat(" ", 1<<16)); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// compressed sends little, of which much becomes.
func compressed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	writeEndlessly(gzip.NewWriter(w))
}

func endlessHeaders(w http.ResponseWriter, _ *http.Request) {
	for n := range 100 {
		w.Header().Set(fmt.Sprint("X-", n), strings.Repeat("x", 1000))
	}
}

// TestSlowIssuerIsNotWaitedFor: an answer that does not come to its end is given
// up. The test's own patience is shorter than that of the server.
func TestSlowIssuerIsNotWaitedFor(t *testing.T) {
	for name, path := range map[string]string{"discovery": issuertest.Discovery, "keys": issuertest.Keys} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			i.Answer(path, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write([]byte(`{"keys":`))
				w.(http.Flusher).Flush()
				cancel()
				<-r.Context().Done()
			})
			_, _, err := Fetch(ctx, trusted(i))
			require.ErrorIs(t, err, ErrAnswer)
		})
	}
	f, err := newFetcher(federation.Issuer{})
	require.NoError(t, err)
	assert.Equal(t, 5*time.Second, f.client.Timeout)
}

func TestHTTPIsTakenOfThisMachineOnly(t *testing.T) {
	issuer := federation.Issuer{Name: "idp", URL: "https://idp.example.com", JWKSURL: "http://idp.example.com/keys"}
	_, _, err := Fetch(t.Context(), issuer)
	require.ErrorIs(t, err, ErrAnswer)
	assert.ErrorContains(t, err, "no https")
}

func TestNamedHostOfKeys(t *testing.T) {
	i := issuertest.NewTLS(t)
	issuer := trusted(i)
	issuer.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Server.Certificate().Raw}))
	other := strings.Replace(i.URL, "127.0.0.1", "[::1]", 1)
	i.Discover(map[string]any{"jwks_uri": other + issuertest.Keys})
	_, _, err := Fetch(t.Context(), issuer)
	require.ErrorContains(t, err, "another host")
	issuer.JWKSHost = strings.TrimPrefix(other, "https://")
	_, _, err = Fetch(t.Context(), issuer)
	require.ErrorContains(t, err, "fetch its keys", "the named host is asked, though nobody listens there")
	i.Discover(nil)
	_, _, err = Fetch(t.Context(), issuer)
	require.NoError(t, err, "its own host stays good")
}

func TestCheck(t *testing.T) {
	private := map[string]any{"kty": "EC", "crv": "P-256", "kid": "p", "x": "AA", "y": "AA", "d": "AA"}
	pq := map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA"}
	t.Run("one key that can be used", func(t *testing.T) {
		i := issuertest.New(t)
		i.Publish(pq, private)
		_, set, err := Check(t.Context(), trusted(i))
		require.NoError(t, err)
		assert.Len(t, set.Skipped, 2)
	})
	t.Run("none that can be used", func(t *testing.T) {
		i := issuertest.New(t)
		i.Answer(issuertest.Keys, text(`{"keys":[{"kty":"AKP","kid":"pq"}]}`))
		_, _, err := Check(t.Context(), trusted(i))
		require.ErrorIs(t, err, ErrNoKeys)
		assert.ErrorContains(t, err, `key "pq"`)
	})
	t.Run("away", func(t *testing.T) {
		i := issuertest.New(t)
		i.Away(true)
		_, _, err := Check(t.Context(), trusted(i))
		require.ErrorIs(t, err, ErrAnswer)
	})
	t.Run("a secret among those that were given", func(t *testing.T) {
		i := issuertest.Offline(t, "https://idp.example.com")
		i.Publish(private)
		issuer := trusted(i)
		issuer.JWKS = string(i.JWKS())
		_, _, err := Check(t.Context(), issuer)
		require.ErrorIs(t, err, federation.ErrInvalidIssuer)
	})
}
