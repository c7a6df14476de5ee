// Package issuertest plays the issuers of tokens in tests: it signs what GitHub,
// GitLab, a Kubernetes cluster and others would say, and publishes its keys.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// Issuer signs tokens.
type Issuer struct {
	// URL is its iss.
	URL string
	// Server publishes its keys, if it has one.
	Server *httptest.Server

	mu        sync.Mutex
	keys      []key
	others    []any // published beside its keys
	discovery map[string]any
	handlers  map[string]http.HandlerFunc
	requests  map[string]int
	bearers   map[string][]string
}

type key struct {
	id      string
	private crypto.Signer
	method  jwt.SigningMethod
}

// Offline is an issuer with an iss, and a key that it publishes nowhere.
func Offline(t testing.TB, url string) *Issuer {
	t.Helper()
	i := &Issuer{URL: url, handlers: make(map[string]http.HandlerFunc), requests: make(map[string]int), bearers: make(map[string][]string)}
	i.Rotate(t)
	return i
}

// Paths of what is published, below the iss.
const (
	Discovery = "/.well-known/openid-configuration"
	Keys      = "/keys"
)

// New is an issuer on a loopback address, which publishes its keys by discovery
// until the test is over.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := Offline(t, "")
	i.Server = httptest.NewUnstartedServer(i)
	i.URL = "http://" + i.Server.Listener.Addr().String() // before it is read
	i.Server.Start()
	t.Cleanup(i.Server.Close)
	return i
}

// NewTLS is [New] with https, by the certificate of Server.
func NewTLS(t testing.TB) *Issuer {
	t.Helper()
	i := Offline(t, "")
	i.Server = httptest.NewUnstartedServer(i)
	i.URL = "https://" + i.Server.Listener.Addr().String() // before it is read
	i.Server.StartTLS()
	t.Cleanup(i.Server.Close)
	return i
}

// ServeHTTP answers what was told to be answered at a path, or else discovery and
// keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.requests[r.URL.Path]++
	i.bearers[r.URL.Path] = append(i.bearers[r.URL.Path], r.Header.Get("Authorization"))
	handler := i.handlers[r.URL.Path]
	discovery := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + Keys}
	maps.Copy(discovery, i.discovery)
	i.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case r.URL.Path == Discovery:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(discovery)
	case r.URL.Path == Keys:
		if !strings.Contains(r.Header.Get("Accept"), "application/jwk-set+json") { // as an API server of Kubernetes has it
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(i.JWKS())
	default:
		http.NotFound(w, r)
	}
}

// Answer makes something else of the answer at a path; nil is what it was.
func (i *Issuer) Answer(path string, handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[path] = handler
}

// Discover changes what discovery says.
func (i *Issuer) Discover(changes map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.discovery = changes
}

// Away makes everything fail, or work again.
func (i *Issuer) Away(away bool) {
	var handler http.HandlerFunc
	if away {
		handler = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "away", http.StatusServiceUnavailable) }
	}
	i.Answer(Discovery, handler)
	i.Answer(Keys, handler)
}

// Requests is how often a path was asked for.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// Authorizations are what each request for a path had as Authorization.
func (i *Issuer) Authorizations(path string) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.bearers[path]...)
}

// Rotate signs with a new key from here on, and publishes the one before as well.
func (i *Issuer) Rotate(t testing.TB) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i.SignWith(rand.Text(), private, jwt.SigningMethodES256)
}

// SignWith signs with a key from here on, and publishes those before as well.
func (i *Issuer) SignWith(id string, private crypto.Signer, method jwt.SigningMethod) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key{id, private, method})
}

// Forget publishes only the key that signs.
func (i *Issuer) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// Publish adds keys to those that are published, as JSON has them.
func (i *Issuer) Publish(keys ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.others = append(i.others, keys...)
}

// KeyID is the kid of the key that signs.
func (i *Issuer) KeyID() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1].id
}

// Public is the key that signs, without its secret.
func (i *Issuer) Public() crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1].private.Public()
}

// JWKS is what it publishes.
func (i *Issuer) JWKS() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := append([]any{}, i.others...)
	for _, k := range i.keys {
		all = append(all, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Use: "sig", Algorithm: k.method.Alg()})
	}
	document, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		panic(err)
	}
	return document
}

// Sign makes a token of claims.
func (i *Issuer) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	return i.SignText(t, nil, payload)
}

// SignText makes a token of whatever text, with changes to the header: nil leaves
// a member out.
func (i *Issuer) SignText(t testing.TB, changes map[string]any, payload []byte) string {
	t.Helper()
	i.mu.Lock()
	k := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	header := map[string]any{"alg": k.method.Alg(), "typ": "JWT", "kid": k.id}
	for name, value := range changes {
		if value == nil {
			delete(header, name)
		} else {
			header[name] = value
		}
	}
	head, err := json.Marshal(header)
	require.NoError(t, err)
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.method.Sign(signed, k.private)
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
