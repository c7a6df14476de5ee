package registrytoken

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/trust"
)

// Trust is what a server publishes for registries.
type Trust struct {
	keys         jose.JSONWebKeySet
	certificates *x509.CertPool
	// UnknownService is set when the server issues no tokens for the service.
	UnknownService bool
}

// TrustIn is that of a bundle of certificates alone.
func TrustIn(bundle []byte) *Trust {
	t := &Trust{certificates: x509.NewCertPool()}
	t.certificates.AppendCertsFromPEM(bundle)
	return t
}

// FetchTrust gets what the server publishes for a service, or for all services
// when it does not know that one.
func FetchTrust(ctx context.Context, baseURL, service string, roots *x509.CertPool, insecure bool, timeout time.Duration) (*Trust, error) {
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
	t := &Trust{certificates: x509.NewCertPool()}
	bundle, err := fetch(trust.Formats["pem"], service)
	if _, refused := errors.AsType[*cli.PermanentError](err); refused && service != "" {
		t.UnknownService = true
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

// Verifies reports whether a key of the server made the signature. The key is
// found by its id, or comes with the token under a certificate of the server.
func (t *Trust) Verifies(token *Token) bool {
	signed, header := token.Signed, token.Header()
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
