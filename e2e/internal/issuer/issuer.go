// Package issuer plays an issuer of tokens, as a GitLab with jobs is one, on a loopback address.
package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer signs tokens and publishes its key.
type Issuer struct {
	// URL is its iss.
	URL string

	key    jose.JSONWebKey
	server *http.Server
	away   atomic.Bool
	asked  atomic.Int64
}

// Start runs an issuer until it is closed.
func Start(ctx context.Context) (*Issuer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		URL: "http://" + listener.Addr().String(),
		key: jose.JSONWebKey{Key: private, KeyID: rand.Text(), Use: "sig", Algorithm: string(jose.ES256)},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}})
	})
	i.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/openid-configuration" { // which each fetch begins with
			i.asked.Add(1)
		}
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = i.server.Serve(listener) }() // until it is closed
	return i, nil
}

func (i *Issuer) answer(w http.ResponseWriter, body any) {
	if i.away.Load() {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}

// Close ends the issuer.
func (i *Issuer) Close() error { return i.server.Close() }

// Away makes every request fail, or work again.
func (i *Issuer) Away(away bool) { i.away.Store(away) }

// Asked is how often somebody came for its keys.
func (i *Issuer) Asked() int { return int(i.asked.Load()) }

// Token is what it signs.
type Token struct {
	Audience string
	// Issued is when the token begins to be good. Default: now.
	Issued time.Time
	// Life is how long it is good. Default: 5 minutes.
	Life time.Duration
	// KeyID is what its header says the key is. Default: what it is.
	KeyID string
	// Claims are other ones than those of a job on the protected main branch of the project 20.
	Claims map[string]any
}

// Sign makes a token, which is another one each time.
func (i *Issuer) Sign(t Token) (string, error) {
	if t.Issued.IsZero() {
		t.Issued = time.Now()
	}
	if t.Life == 0 {
		t.Life = 5 * time.Minute
	}
	if t.KeyID == "" {
		t.KeyID = i.key.KeyID
	}
	claims := map[string]any{
		"iss": i.URL, "aud": t.Audience, "jti": rand.Text(), "iat": t.Issued.Unix(), "nbf": t.Issued.Unix(), "exp": t.Issued.Add(t.Life).Unix(),
		"sub": "project_path:group/app:ref_type:branch:ref:main", "namespace_id": "72", "namespace_path": "group", "project_id": "20", "project_path": "group/app",
		"job_project_id": "20", "job_project_path": "group/app", "user_id": "1", "user_login": "mona", "pipeline_id": "574", "pipeline_source": "push",
		"job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "sha": "f1c2",
		"ci_config_ref_uri": "gitlab.example.com/group/app//.gitlab-ci.yml@refs/heads/main", "project_visibility": "private",
	}
	maps.Copy(claims, t.Claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key.Key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", t.KeyID))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
