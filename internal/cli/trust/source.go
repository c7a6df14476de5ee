package trust

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/version"
)

const (
	// maxTrust is the largest answer that is read, in bytes.
	maxTrust = 1 << 20
	// Waiting starts short, for Dockit often starts at the same time.
	firstWait = 200 * time.Millisecond
	maxWait   = 5 * time.Second
	// attemptTimeout bounds one attempt: a server that takes a connection and
	// never answers must not use up the whole time.
	attemptTimeout = 15 * time.Second
)

// Source is where a Dockit serves what registries must trust.
type Source struct {
	base   *url.URL
	URL    *url.URL
	format Format
	http   *http.Client
}

// NewSource makes the source of one form of what registries must trust, of all
// services or, with a name, of one. Without roots the system's count.
func NewSource(baseURL string, format Format, service string, roots *x509.CertPool, insecure bool) (*Source, error) {
	base, err := cli.ParseBaseURL(baseURL)
	if err != nil {
		return nil, err
	}
	if service != "" {
		base.RawQuery = url.Values{"service": {service}}.Encode()
	}
	client := httpclient.New(httpclient.Options{RootCAs: roots, InsecureSkipVerify: insecure, Timeout: attemptTimeout})
	return &Source{base, base.JoinPath(format.path), format, client}, nil
}

// beside is another format from the same server.
func (s *Source) beside(format Format) *Source {
	return &Source{s.base, s.base.JoinPath(format.path), format, s.http}
}

// Trusted is an answer that passed every check.
type Trusted struct {
	Content []byte
	// summary says in lines what it holds.
	summary []string
	// tag is the server's entity tag, perhaps empty.
	tag string
}

// await fetches until there is something to trust or the time is over. It
// reports every new reason to wait.
func await(ctx context.Context, timeout time.Duration, fetch func(context.Context) (*Trusted, error), waiting func(error)) (*Trusted, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		found, err := fetch(ctx)
		if err == nil {
			return found, nil
		}
		if _, ok := errors.AsType[*cli.PermanentError](err); ok {
			return nil, err
		}
		// The end of the time is no reason of its own.
		if last == nil || ctx.Err() == nil {
			if last == nil || last.Error() != err.Error() {
				waiting(err)
			}
			last = err
		}
		select {
		case <-time.After(wait + rand.N(wait/4)): //nolint:gosec // spreads load, keeps no secret
		case <-ctx.Done():
			return nil, fmt.Errorf("nothing to trust within %s: %w", timeout, last)
		}
	}
}

// Fetch gets and checks what the server has now.
func (s *Source) Fetch(ctx context.Context) (*Trusted, error) { return s.fetchNewer(ctx, "") }

// fetchNewer returns nil when the server's entity tag is still the given one.
func (s *Source) fetchNewer(ctx context.Context, tag string) (*Trusted, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL.String(), nil)
	if err != nil {
		return nil, &cli.PermanentError{Err: err}
	}
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, cli.ExplainConnection(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxTrust+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(content) > maxTrust:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxTrust)
	case tag != "" && response.StatusCode == http.StatusNotModified:
		return nil, nil //nolint:nilnil // the caller asked for something newer
	case response.StatusCode != http.StatusOK:
		return nil, explainStatus(response, content)
	}
	summary, err := s.format.check(content, time.Now())
	if err != nil {
		return nil, err
	}
	return &Trusted{content, summary, response.Header.Get("ETag")}, nil
}

// permanentStatus are answers that waiting does not change.
var permanentStatus = map[int]bool{
	http.StatusBadRequest:       true,
	http.StatusUnauthorized:     true,
	http.StatusForbidden:        true,
	http.StatusMethodNotAllowed: true,
}

// statusError is an answer that is not 200.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "status " + e.status }

func explainStatus(response *http.Response, content []byte) error {
	var err error = &statusError{response.StatusCode, response.Status}
	var body struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(content, &body) == nil && body.Description != "" {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(printable.Clip(body.Description)))
	}
	if location := response.Header.Get("Location"); location != "" && response.StatusCode/100 == 3 {
		return &cli.PermanentError{Err: fmt.Errorf("%w: it redirects to %q: use that server as --base-url", err, printable.Clip(location))}
	}
	if permanentStatus[response.StatusCode] {
		return &cli.PermanentError{Err: err}
	}
	return err
}
