package issuerkeys

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/jwkset"
	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// requestTimeout bounds one request with its answer.
	requestTimeout = 5 * time.Second
	// maxHeaders bounds the headers of an answer, in bytes.
	maxHeaders = 64 << 10
	// discoveryPath stands below the iss (OpenID Connect Discovery 1.0, section 4).
	discoveryPath = "/.well-known/openid-configuration"
)

var (
	// ErrAnswer is returned for an issuer that does not answer, or not rightly.
	ErrAnswer = errors.New("issuer does not answer rightly")
	// ErrNoKeys is returned by [Check] for a set of keys of which none can be used.
	ErrNoKeys = errors.New("issuer has no keys that can be used")
)

// Fetch asks an issuer for its keys, as it says where they are, or reads those that
// it was given with. Whatever is fetched comes by https, or from a loopback
// address, without redirects, and is bounded in size and time. Errors: [ErrAnswer].
func Fetch(ctx context.Context, issuer federation.Issuer) (federation.Keys, jwkset.Set, error) {
	keys := federation.Keys{Source: issuer.KeySource(), FetchedAt: clock.Now().UTC()}
	if issuer.JWKS != "" {
		keys.JWKS = []byte(issuer.JWKS)
		set, err := jwkset.Parse(keys.JWKS)
		return keys, set, answerError(issuer, "read its keys", err)
	}
	f, err := newFetcher(issuer)
	if err != nil {
		return federation.Keys{}, jwkset.Set{}, answerError(issuer, "prepare to ask it", err)
	}
	defer f.client.CloseIdleConnections()
	location := issuer.JWKSURL
	if issuer.Discovers() {
		if location, err = f.discover(ctx); err != nil {
			return federation.Keys{}, jwkset.Set{}, answerError(issuer, "discover where its keys are", err)
		}
	}
	if keys.JWKS, err = f.get(ctx, location); err != nil {
		return federation.Keys{}, jwkset.Set{}, answerError(issuer, "fetch its keys", err)
	}
	set, err := jwkset.Parse(keys.JWKS)
	return keys, set, answerError(issuer, "read its keys from "+location, err)
}

// Check is [Fetch] for an issuer that is to be trusted: there must be keys that can
// be used, and none that are secret among those that were given with it. Errors:
// [ErrAnswer], [ErrNoKeys].
func Check(ctx context.Context, issuer federation.Issuer) (federation.Keys, jwkset.Set, error) {
	keys, set, err := Fetch(ctx, issuer)
	if err != nil {
		return federation.Keys{}, jwkset.Set{}, err
	}
	for _, skipped := range set.Skipped {
		if issuer.JWKS != "" && errors.Is(skipped.Reason, jwkset.ErrPrivate) {
			return federation.Keys{}, jwkset.Set{}, fmt.Errorf("%w: issuer %s: %s", federation.ErrInvalidIssuer, issuer.Name, skipped)
		}
	}
	if len(set.Keys) == 0 {
		reasons := make([]string, len(set.Skipped))
		for i, skipped := range set.Skipped {
			reasons[i] = skipped.String()
		}
		return federation.Keys{}, jwkset.Set{}, fmt.Errorf("%w: %s: RSA, EC and Ed25519 keys are taken: %s",
			ErrNoKeys, issuer.Name, printable.ClipTo(strings.Join(append(reasons, "its set is otherwise empty"), "; "), 500))
	}
	return keys, set, nil
}

func answerError(issuer federation.Issuer, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %s: %w", ErrAnswer, issuer.Name, doing, err)
}

// fetcher asks one issuer.
type fetcher struct {
	issuer federation.Issuer
	client *http.Client
	bearer string
}

func newFetcher(issuer federation.Issuer) (*fetcher, error) {
	options := httpclient.Options{Timeout: requestTimeout, MaxHeaders: maxHeaders}
	if issuer.CA != "" {
		options.RootCAs = x509.NewCertPool()
		if !options.RootCAs.AppendCertsFromPEM([]byte(issuer.CA)) {
			return nil, errors.New("its authorities are no certificates in PEM")
		}
	}
	f := &fetcher{issuer: issuer, client: httpclient.New(options)}
	if issuer.BearerFile == "" {
		return f, nil
	}
	var err error
	f.bearer, err = readBearer(issuer)
	return f, err
}

// discovery is what counts of the metadata of an issuer.
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// discover finds out where the keys are.
func (f *fetcher) discover(ctx context.Context) (string, error) {
	location := strings.TrimSuffix(f.issuer.URL, "/") + discoveryPath
	document, err := f.get(ctx, location)
	if err != nil {
		return "", err
	}
	var found discovery
	if err := json.Unmarshal(document, &found); err != nil {
		return "", fmt.Errorf("%s is not JSON as expected: %w", location, err)
	}
	if found.Issuer != f.issuer.URL {
		return "", fmt.Errorf("%s says that the issuer is %q, not %q: write --url as the issuer calls itself", location, printable.Clip(printable.Line(found.Issuer)), f.issuer.URL)
	}
	if found.JWKSURI == "" {
		return "", fmt.Errorf("%s says no jwks_uri: give the keys with --jwks", location)
	}
	keys, err := url.Parse(found.JWKSURI)
	if err != nil || len(found.JWKSURI) > federation.MaxURLLength {
		return "", fmt.Errorf("%s says a jwks_uri that is no URL: give the keys with --jwks", location)
	}
	if !federation.SameHost(f.issuer.KeyHosts(), keys) {
		return "", fmt.Errorf("%s says that the keys are at %q, on another host: if that is right, add --jwks-host %s", location, printable.Clip(found.JWKSURI), printable.Clip(keys.Host))
	}
	return found.JWKSURI, nil
}

// get reads what is at a URL.
func (f *fetcher) get(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %q: %w", printable.Clip(location), err)
	}
	if !federation.MayFetch(request.URL) {
		return nil, fmt.Errorf("%s has no https: http is taken on loopback addresses only", location)
	}
	// An API server of Kubernetes has keys as the second of these alone.
	request.Header.Set("Accept", "application/json, application/jwk-set+json, */*;q=0.1")
	request.Header.Set("User-Agent", "dockit")
	if f.bearer != "" && sameOrigin(f.issuer.URL, request.URL) {
		request.Header.Set("Authorization", "Bearer "+f.bearer)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer response.Body.Close()
	if err := statusError(location, response); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, federation.MaxKeys+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", location, err)
	case len(body) > federation.MaxKeys:
		return nil, fmt.Errorf("%s is larger than %d bytes", location, federation.MaxKeys)
	}
	return body, nil
}

// statusError says why an answer is none.
func statusError(location string, response *http.Response) error {
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
			return fmt.Errorf("%s answers with a page for people: write --url as the issuer calls itself", location)
		}
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%s redirects to %q, which is not followed: give the URL that is meant", location, printable.Clip(printable.Line(response.Header.Get("Location"))))
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%s answers with status %d: it asks who reads it; see --bearer-file, or give the keys with --jwks", location, code)
	default:
		return fmt.Errorf("%s answers with status %d", location, code)
	}
}

// sameOrigin reports whether a URL has the scheme, host and port of the issuer.
func sameOrigin(issuer string, u *url.URL) bool {
	own, err := url.Parse(issuer)
	return err == nil && own.Scheme == u.Scheme && federation.SameHost(federation.Issuer{URL: issuer}.KeyHosts(), u)
}
