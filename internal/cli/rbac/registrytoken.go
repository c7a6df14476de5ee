package rbac

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/trust"
	"github.com/dockit-registry/dockit/internal/token"
)

// tokenLeeway is how far apart the clocks of those who issue tokens and those
// who check them may be: as much as distribution allows.
const tokenLeeway = time.Minute

// tokenAlgorithms are those that a registry takes.
var tokenAlgorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// registryToken is a token that was read, and not yet checked.
type registryToken struct {
	signed *jose.JSONWebSignature
	claims tokenClaims
}

// tokenClaims is the payload of a token of any origin.
type tokenClaims struct {
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	Audience  audience       `json:"aud"`
	ExpiresAt float64        `json:"exp"`
	NotBefore float64        `json:"nbf"`
	IssuedAt  float64        `json:"iat"`
	Access    []token.Access `json:"access"`
}

// audience is one service or several.
type audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

func parseToken(raw string) (*registryToken, error) {
	signed, err := jose.ParseSignedCompact(raw, tokenAlgorithms)
	if err != nil {
		return nil, fmt.Errorf("that is not a signed token: %w", err)
	}
	t := &registryToken{signed: signed}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.claims); err != nil {
		return nil, fmt.Errorf("that is not a registry token: %w", err)
	}
	return t, nil
}

func (t *registryToken) audience() string {
	if len(t.claims.Audience) == 0 {
		return ""
	}
	return t.claims.Audience[0]
}

// trustedKeys is what a server publishes for registries.
type trustedKeys struct {
	keys         jose.JSONWebKeySet
	certificates *x509.CertPool
	// unknownService tells that the server issues no tokens for the service.
	unknownService bool
}

// newTrust is that of a bundle alone.
func newTrust(bundle []byte) *trustedKeys {
	t := &trustedKeys{certificates: x509.NewCertPool()}
	t.certificates.AppendCertsFromPEM(bundle)
	return t
}

// fetchTrust gets what the server publishes for a service, or for all services
// when it does not know that one.
func fetchTrust(ctx context.Context, baseURL, service string, roots *x509.CertPool, insecure bool, timeout time.Duration) (*trustedKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fetch := func(format trust.Format, service string) ([]byte, error) {
		source, err := trust.NewSource(baseURL, format, service, roots, insecure)
		if err != nil {
			return nil, cli.UsageError(err)
		}
		found, err := source.Fetch(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.URL.Redacted(), err)
		}
		return found.Content, nil
	}
	t := &trustedKeys{certificates: x509.NewCertPool()}
	bundle, err := fetch(trust.Formats["pem"], service)
	if _, refused := errors.AsType[*cli.PermanentError](err); refused && service != "" {
		t.unknownService = true
		service = ""
		bundle, err = fetch(trust.Formats["pem"], service)
	}
	if err != nil {
		return nil, err
	}
	t.certificates.AppendCertsFromPEM(bundle)
	set, err := fetch(trust.Formats["jwks"], service)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(set, &t.keys); err != nil {
		return nil, fmt.Errorf("read the JWK set of %s: %w", baseURL, err)
	}
	return t, nil
}

// verifies reports whether a key of the server made the signature. The key is
// found by its id, or comes with the token under a certificate of the server.
func (t *trustedKeys) verifies(signed *jose.JSONWebSignature) bool {
	header := signed.Signatures[0].Header
	for _, key := range t.keys.Key(header.KeyID) {
		if _, err := signed.Verify(key.Key); err == nil {
			return true
		}
	}
	chains, err := header.Certificates(x509.VerifyOptions{
		Roots:     t.certificates,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return false
	}
	_, err = signed.Verify(chains[0][0].PublicKey)
	return err == nil
}

func (t *registryToken) explain(trusted *trustedKeys, now time.Time) explanation {
	header, claims := t.signed.Signatures[0].Header, t.claims
	e := explanation{
		Signed:    trusted.verifies(t.signed),
		KeyID:     header.KeyID,
		Algorithm: header.Algorithm,
		Issuer:    claims.Issuer,
		Service:   t.audience(),
		Subject:   claims.Subject,
		IssuedAt:  seconds(claims.IssuedAt),
		NotBefore: seconds(claims.NotBefore),
		ExpiresAt: seconds(claims.ExpiresAt),
		Access:    slices.Concat([]token.Access{}, claims.Access),
	}
	if !e.Signed {
		e.Problems = append(e.Problems, "no key that this Dockit publishes made the signature: it is from another Dockit, or of a key that was retired")
	}
	if trusted.unknownService {
		e.Problems = append(e.Problems, "this Dockit issues no tokens for service "+cli.Visible(e.Service))
	}
	if now.After(e.ExpiresAt.Add(tokenLeeway)) {
		e.Problems = append(e.Problems, "it expired "+now.Sub(e.ExpiresAt).Round(time.Second).String()+" ago")
	}
	if now.Add(tokenLeeway).Before(e.NotBefore) {
		e.Problems = append(e.Problems, "it is valid in "+e.NotBefore.Sub(now).Round(time.Second).String()+" only: compare the clocks")
	}
	e.Valid = len(e.Problems) == 0
	return e
}

// seconds reads a date of a token. Dates that no clock shows become the zero
// time.
func seconds(s float64) time.Time {
	if s != s || s < 0 || s > 253402300799 { // the end of the year 9999
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}
