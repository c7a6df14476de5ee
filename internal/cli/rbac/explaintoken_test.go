package rbac

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

// issuer is a server with a CA and a signing key under it.
type issuer struct {
	key   *ecdsa.PrivateKey
	chain []*x509.Certificate
	url   string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	sign := func(template, parent *x509.Certificate, public, key any) *x509.Certificate {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		require.NoError(t, err)
		certificate, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return certificate
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true}, nil, caKey.Public(), caKey)
	i := &issuer{}
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i.chain = []*x509.Certificate{sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}}, ca, i.key.Public(), caKey)}

	mux := http.NewServeMux()
	known := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if service := r.URL.Query().Get("service"); service != "" && service != "registry" {
				clitest.Answers(400, `{"error_description":"unknown service"}`)(w, r)
				return
			}
			f(w, r)
		}
	}
	mux.HandleFunc("/v2/certs/pem", known(func(w http.ResponseWriter, _ *http.Request) {
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	}))
	mux.HandleFunc("/v2/certs/jwks", known(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "current"}}})
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// token signs claims for an hour, with changes.
func (i *issuer) token(t *testing.T, kid string, x5c bool, change map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": "dockit", "sub": "alice", "aud": "registry", "iat": now.Unix(), "nbf": now.Add(-5 * time.Second).Unix(), "exp": now.Add(time.Hour).Unix(),
		"access": []map[string]any{{"type": "repository", "name": "team/app", "actions": []string{"pull", "push"}}},
	}
	maps.Copy(claims, change)
	options := (&jose.SignerOptions{}).WithHeader("kid", kid)
	if x5c {
		options = options.WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(i.chain[0].Raw)})
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, options)
	require.NoError(t, err)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	compact, err := signed.CompactSerialize()
	require.NoError(t, err)
	return compact
}

func explainInput(t *testing.T, url, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := cli.NewCommand(NewCommand())
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetIn(strings.NewReader(input))
	code = cli.Execute(cmd, append([]string{"rbac", "explain-token", "--base-url", url}, args...))
	return code, out.String(), errs.String()
}

func TestExplainToken(t *testing.T) {
	ours, theirs := newIssuer(t), newIssuer(t)
	good := ours.token(t, "current", false, nil)
	for name, c := range map[string]struct {
		input string
		code  int
		says  []string
	}{
		"valid":             {good, 0, []string{"valid:    yes", "subject:  alice", "opens:    repository:team/app:pull,push"}},
		"behind Bearer":     {"Bearer " + good + "\n", 0, []string{"valid:    yes"}},
		"in an answer":      {`{"token":"` + good + `","expires_in":300}`, 0, []string{"valid:    yes"}},
		"as access_token":   {`{"access_token":"` + good + `"}`, 0, []string{"valid:    yes"}},
		"by certificate":    {ours.token(t, "rotated", true, nil), 0, []string{"valid:    yes"}},
		"anonymous, empty":  {ours.token(t, "current", true, map[string]any{"sub": "", "access": nil}), 0, []string{"(anonymous)", "opens:    nothing"}},
		"expired":           {ours.token(t, "current", true, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), 1, []string{"valid:    no", "signed:   yes", "it expired 1h0m"}},
		"expired just now":  {ours.token(t, "current", true, map[string]any{"exp": time.Now().Add(-10 * time.Second).Unix()}), 0, nil},
		"to come":           {ours.token(t, "current", true, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), 1, []string{"compare the clocks"}},
		"another service":   {ours.token(t, "current", true, map[string]any{"aud": []string{"other"}}), 1, []string{"signed:   yes", "issues no tokens for service other"}},
		"another Dockit":    {theirs.token(t, "current", true, nil), 1, []string{"signed:   no", "from another Dockit"}},
		"retired key":       {ours.token(t, "retired", false, nil), 1, []string{"signed:   no"}},
		"escape sequences":  {ours.token(t, "current", true, map[string]any{"sub": "a\x1b[31m"}), 0, []string{"subject:  a?[31m"}},
		"dates that cannot": {ours.token(t, "current", true, map[string]any{"exp": 1e300}), 1, []string{"valid:    no"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := explainInput(t, ours.url, c.input)
			assert.Equal(t, c.code, code, stdout+stderr)
			assert.Empty(t, stderr)
			for _, s := range c.says {
				assert.Contains(t, stdout, s)
			}
		})
	}
	t.Run("altered", func(t *testing.T) {
		parts := strings.Split(good, ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"registry","exp":9999999999,"access":[{"type":"repository","name":"x","actions":["*"]}]}`))
		code, stdout, _ := explainInput(t, ours.url, strings.Join(parts, "."), "-o", "json")
		assert.Equal(t, 1, code)
		assert.Contains(t, stdout, `"signed": false`)
	})
	for name, input := range map[string]string{
		"nothing": "", "words": "hello", "empty answer": "{}", "broken answer": "{", "unsigned": "eyJhbGciOiJub25lIn0.e30.",
		"no claims": "eyJhbGciOiJFUzI1NiJ9.W10.AAAA", "endless": strings.Repeat("a", maxToken+1),
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := explainInput(t, ours.url, input)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "Error:")
		})
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsiYSJdLCJleHAiOjFlMzAwfQ.AAAA")
	f.Add(`{"token":"Bearer a.b.c"}`)
	f.Fuzz(func(_ *testing.T, input string) {
		raw, err := tokenIn(input)
		if err != nil {
			return
		}
		if parsed, err := parseToken(raw); err == nil {
			parsed.explain(&trustedKeys{certificates: x509.NewCertPool()}, time.Now())
		}
	})
}
