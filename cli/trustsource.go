package cli

import (
	"context"
	"crypto/tls"
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

// trustSource is where a Dockit serves what registries must trust.
type trustSource struct {
	url    *url.URL
	format trustFormat
	http   *http.Client
}

func newTrustSource(baseURL string, format trustFormat, service string, roots *x509.CertPool, insecure bool) (*trustSource, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, errors.New("base URL: write http://host:port or https://host")
	}
	target := base.JoinPath(format.path)
	if service != "" {
		target.RawQuery = url.Values{"service": {service}}.Encode()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		InsecureSkipVerify: insecure, //nolint:gosec // the caller asked for it by name and was warned
	}
	return &trustSource{target, format, &http.Client{
		Transport: transport,
		Timeout:   attemptTimeout,
		// Whoever redirects is not Dockit, and may lead from https to http.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// permanentError is one that waiting does not change.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// await fetches until there is something to trust or the time is over. It
// tells of every new reason to wait.
func (s *trustSource) await(ctx context.Context, timeout time.Duration, waiting func(error)) ([]byte, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		content, summary, err := s.fetch(ctx)
		if err == nil {
			return content, summary, nil
		}
		if _, ok := errors.AsType[*permanentError](err); ok {
			return nil, nil, fmt.Errorf("%s: %w", s.url.Redacted(), err)
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
			return nil, nil, fmt.Errorf("%s: nothing to trust within %s: %w", s.url.Redacted(), timeout, last)
		}
	}
}

func (s *trustSource) fetch(ctx context.Context) ([]byte, []string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, nil, &permanentError{err}
	}
	request.Header.Set("User-Agent", "dockit/"+ReadBuild().Version)
	response, err := s.http.Do(request)
	if err != nil {
		return nil, nil, explainConnection(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxTrust+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	case len(content) > maxTrust:
		return nil, nil, fmt.Errorf("the answer is larger than %d bytes", maxTrust)
	case response.StatusCode != http.StatusOK:
		return nil, nil, explainStatus(response, content)
	}
	summary, err := s.format.check(content, time.Now())
	return content, summary, err
}

// explainConnection tells certificates that will not verify a second later
// either from servers that are not up yet.
func explainConnection(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &permanentError{fmt.Errorf("%w: name the authority that signed the server's certificate with --ca-file", err)}
	}
	return err
}

func explainStatus(response *http.Response, content []byte) error {
	err := fmt.Errorf("status %s", response.Status)
	var body struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(content, &body) == nil && body.Description != "" {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(clip(body.Description)))
	}
	if location := response.Header.Get("Location"); location != "" && response.StatusCode/100 == 3 {
		return &permanentError{fmt.Errorf("%w: it redirects to %q: use that server as --base-url", err, clip(location))}
	}
	if permanentStatus[response.StatusCode] {
		return &permanentError{err}
	}
	return err
}
