package registryclient

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// requestTimeout bounds one request with its answer.
	requestTimeout = 15 * time.Second
	// maxHeaders bounds the headers of an answer, in bytes.
	maxHeaders = 64 << 10
	// maxRedirects is how many redirects of one request are followed, all on the same host.
	maxRedirects = 3
	// maxRefusal bounds what is read of an answer that says no, in bytes.
	maxRefusal = 8 << 10
)

var (
	// ErrAway is returned for a registry that does not answer.
	ErrAway = errors.New("registry does not answer")
	// ErrAnswer is returned for one that answers otherwise than it should, or with too much.
	ErrAnswer = errors.New("registry does not answer rightly")
	// ErrNotFound is returned for what the registry does not have.
	ErrNotFound = errors.New("registry does not have it")
	// ErrDenied is returned when the registry does not take the token for it.
	ErrDenied = errors.New("registry does not take the token")
	// ErrUnsupported is returned for what the registry does not do.
	ErrUnsupported = errors.New("registry does not do this")
	// ErrRedirected is returned for what the registry has on another host, where it
	// is not asked for.
	ErrRedirected = errors.New("registry redirects to another host, which is not followed")
)

// Config says where a registry is.
type Config struct {
	// URL has its scheme, host and port.
	URL *url.URL
	// RootCAs are the authorities that may vouch for it. Default: those of the
	// system.
	RootCAs *x509.CertPool
}

// Client speaks to one registry. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// New makes a Client. It asks nothing yet.
func New(c Config) *Client {
	return &Client{
		base: &url.URL{Scheme: c.URL.Scheme, Host: c.URL.Host},
		http: httpclient.New(httpclient.Options{RootCAs: c.RootCAs, Timeout: requestTimeout, MaxHeaders: maxHeaders}),
	}
}

// Close lets go of connections that nothing uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// String is where the registry is.
func (c *Client) String() string { return c.base.String() }

// request is what a registry is asked.
type request struct {
	method string
	// path is below /v2/.
	path, query string
	accept      string
	// bearer is the token, empty for none.
	bearer string
}

// do asks, and follows redirects on the same host. The caller closes the body. An
// answer other than 200 and 202 is an error.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	at := *c.base
	at.Path, at.RawQuery = "/v2/"+r.path, r.query
	for range maxRedirects + 1 {
		response, err := c.ask(ctx, r, &at)
		if err != nil {
			return nil, err
		}
		if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusAccepted {
			return response, nil
		}
		next, err := c.refusal(r, &at, response)
		if err != nil {
			return nil, err
		}
		at = *next
	}
	return nil, fmt.Errorf("%w: %s redirects again and again", ErrAnswer, c.named(r.path))
}

func (c *Client) ask(ctx context.Context, r request, at *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", c.named(r.path), err)
	}
	if r.accept != "" {
		request.Header.Set("Accept", r.accept)
	}
	request.Header.Set("User-Agent", "dockit")
	if r.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if reason, ok := errors.AsType[*url.Error](err); ok { // it would name a URL that may be long
			err = reason.Err
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrAway, c.base, err)
	}
	return response, nil
}

// refusal is what an answer says that has not what was asked for, or where to ask
// instead.
func (c *Client) refusal(r request, at *url.URL, response *http.Response) (*url.URL, error) {
	defer response.Body.Close()
	what := c.named(r.path)
	switch code := response.StatusCode; {
	case code >= 300 && code < 400 && r.method != http.MethodDelete:
		next, err := response.Location()
		if err != nil {
			return nil, fmt.Errorf("%w: %s redirects nowhere", ErrAnswer, what)
		}
		if next.Scheme != at.Scheme || next.Host != at.Host || next.User != nil {
			return nil, fmt.Errorf("%w: %s is at %q", ErrRedirected, what, printable.Clip(printable.Line(next.Host)))
		}
		return next, nil
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s: status %d%s", ErrDenied, what, code, saying(response.Body))
	case code == http.StatusNotFound:
		return nil, fmt.Errorf("%w: %s", ErrNotFound, what)
	case code == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("%w: %s: status %d%s", ErrUnsupported, what, code, saying(response.Body))
	default:
		return nil, fmt.Errorf("%w: %s: %w", ErrAnswer, what, &statusError{code, saying(response.Body)})
	}
}

// named is how errors name what is below /v2/.
func (c *Client) named(path string) string {
	return c.base.String() + "/v2/" + printable.ClipTo(path, maxNamed)
}

// maxNamed is longer than every name of a repository with a digest.
const maxNamed = 512

// statusError is a status that says nothing more special.
type statusError struct {
	status int
	said   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d%s", e.status, e.said) }

// saying is the first message of a body of errors, in brackets, or nothing.
func saying(body io.Reader) string {
	var said struct {
		Errors list[struct {
			Code    Text `json:"code"`
			Message Text `json:"message"`
		}] `json:"errors"`
	}
	if readJSON(body, maxRefusal, &said) != nil || len(said.Errors) == 0 {
		return ""
	}
	message := strings.TrimSpace(string(said.Errors[0].Code) + " " + string(said.Errors[0].Message))
	if message == "" {
		return ""
	}
	return " (" + printable.Clip(message) + ")"
}
