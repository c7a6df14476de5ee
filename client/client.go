// Package client speaks to the admin API of a Dockit.
//
//	c, err := client.New(client.Options{
//		BaseURL:  "https://auth.example.com",
//		Username: "admin",
//		Password: password,
//	})
//	for user, err := range c.Subjects(ctx, subject.User, client.ListOptions{}) {
//		…
//	}
//
// Every method sends one request, a listing one for each page, and ends with its
// context or after [Options].Timeout. When the server refuses, the error is an
// [*Error], and one of [ErrNotFound] and its like for [errors.Is]. Any other error
// is about the connection, or an answer that no admin API gives: whether a change
// was made is not known then. No error holds a password.
package client

import (
	"bytes"
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

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/httpclient"
)

const (
	// maxResponse is the largest answer that is read, in bytes. A full page
	// of permissions stays well below.
	maxResponse = 8 << 20
	// maxLargeResponse is that of a request about the whole state.
	maxLargeResponse = 256 << 20
	// largeTimeout bounds a request about the whole state.
	largeTimeout = 10 * time.Minute
	// defaultTimeout bounds one request with everything that belongs to it.
	defaultTimeout = 30 * time.Second
)

// Options say which server to speak to, and as whom. Only BaseURL is needed.
type Options struct {
	// BaseURL is the server, such as https://auth.example.com. A path in it
	// stands before the path of the API.
	BaseURL string
	// Username and Password are those of an admin. Password may be an access
	// token. For what any user may do, such as with its own access tokens, they
	// are those of a user.
	Username string
	Password string
	// RootCAs are the authorities that may vouch for the server. Default:
	// those of the system.
	RootCAs *x509.CertPool
	// InsecureSkipVerify sends the password to any server that answers. Only for
	// tests.
	InsecureSkipVerify bool
	// UserAgent names the program. Default: "dockit-client".
	UserAgent string
	// Timeout bounds one request, except those about the whole state. Default:
	// 30 seconds.
	Timeout time.Duration
	// Transport replaces the connection to the server, RootCAs and
	// InsecureSkipVerify with it. Default: one of its own, with TLS 1.2 and up.
	Transport http.RoundTripper
}

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	username  string
	password  string
	userAgent string
	timeout   time.Duration
	http      *http.Client
}

// New makes a client. It does not connect. An error is about a base URL that
// cannot be used, such as one with credentials in it.
func New(options Options) (*Client, error) {
	base, err := url.Parse(options.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("base URL: %w", withoutURL(err))
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("base URL %q: write http://host:port or https://host", base.Redacted())
	case base.User != nil:
		return nil, errors.New("base URL: it holds credentials: pass them apart from it")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("base URL %q: leave out the query and the fragment", base.Redacted())
	}
	connection := httpclient.New(httpclient.Options{RootCAs: options.RootCAs, InsecureSkipVerify: options.InsecureSkipVerify})
	if options.Transport != nil {
		connection.Transport = options.Transport
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	if options.UserAgent == "" {
		options.UserAgent = "dockit-client"
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &Client{
		base:      base,
		username:  options.Username,
		password:  options.Password,
		userAgent: options.UserAgent,
		timeout:   options.Timeout,
		http:      connection,
	}, nil
}

// withoutURL takes what was parsed out of an error: it may hold a password.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// BaseURL is the server that the client speaks to, without a slash at its end.
func (c *Client) BaseURL() string { return c.base.String() }

// request is one call of the API.
type request struct {
	method string
	// path has its components escaped.
	path    string
	query   url.Values
	body    any
	ifMatch string
	// document is a body that is written already, in YAML.
	document io.Reader
	// large is a request about the whole state.
	large bool
}

func (r request) maxResponse() int64 {
	if r.large {
		return maxLargeResponse
	}
	return maxResponse
}

// bound ends the request when it takes too long.
func (c *Client) bound(ctx context.Context, r request) (context.Context, context.CancelFunc) {
	if r.large {
		return context.WithTimeout(ctx, max(c.timeout, largeTimeout))
	}
	return context.WithTimeout(ctx, c.timeout)
}

// do sends a request and decodes a successful answer into result, unless that
// is nil or the answer has no content. It returns the status.
func (c *Client) do(ctx context.Context, r request, result any) (int, error) {
	ctx, cancel := c.bound(ctx, r)
	defer cancel()
	response, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, r.maxResponse()+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: read the answer: %w", c.base, err)
	case int64(len(body)) > r.maxResponse():
		return 0, fmt.Errorf("%s: the answer is larger than %d MiB", c.base, r.maxResponse()>>20)
	case response.StatusCode < 200 || response.StatusCode > 299:
		return response.StatusCode, c.refusal(r, response, body)
	case result == nil || response.StatusCode == http.StatusNoContent:
		return response.StatusCode, nil
	}
	if !isJSON(response.Header) {
		return response.StatusCode, c.foreign(r, response)
	}
	if err := json.Unmarshal(body, result); err != nil {
		return response.StatusCode, fmt.Errorf("%s: the answer to %s %s is not what the admin API sends: %w", c.base, r.method, r.path, err)
	}
	return response.StatusCode, nil
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	body, contentType, err := r.encode()
	if err != nil {
		return nil, err
	}
	target := c.base.String() + strings.TrimSuffix(adminapi.Prefix, "/") + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if r.document != nil {
		measure(req, r.document)
	}
	req.SetBasicAuth(c.username, c.password)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.base, withoutURL(err))
	}
	return response, nil
}

func (r request) encode() (body io.Reader, contentType string, err error) {
	switch {
	case r.document != nil:
		return r.document, "application/yaml", nil
	case r.body != nil:
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, "", fmt.Errorf("encode the request: %w", err)
		}
		return bytes.NewReader(encoded), "application/json", nil
	default:
		return nil, "", nil
	}
}

// largeBody is from what size on, in bytes, a body is sent only when the server
// wants it.
const largeBody = 1 << 20

// measure says how long a document is, where that can be known, and has the
// server refuse one that is too large before it is sent.
func measure(req *http.Request, document io.Reader) {
	req.Body = io.NopCloser(document) // the caller closes it
	if s, ok := document.(io.Seeker); ok && req.ContentLength <= 0 {
		at, err := s.Seek(0, io.SeekCurrent)
		end, endErr := s.Seek(0, io.SeekEnd)
		if _, backErr := s.Seek(at, io.SeekStart); err == nil && endErr == nil && backErr == nil {
			req.ContentLength = end - at
		}
	}
	if req.ContentLength == 0 {
		req.ContentLength = -1 // it is not known
	}
	if req.ContentLength < 0 || req.ContentLength > largeBody {
		req.Header.Set("Expect", "100-continue")
	}
}

func isJSON(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && (mediaType == "application/json" || mediaType == adminapi.ProblemMediaType)
}
