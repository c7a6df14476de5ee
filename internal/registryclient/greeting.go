package registryclient

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Greeting is how a registry answers to a request for its base path, whatever the
// status.
type Greeting struct {
	Status int
	Header http.Header
	// Took is how long the answer took.
	Took time.Duration
}

// Greet asks for the base path of the API, without a token where bearer is empty. No
// redirect is followed. Errors: [ErrAway].
func (c *Client) Greet(ctx context.Context, bearer string) (Greeting, error) {
	began := time.Now()
	at := url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: "/v2/"}
	response, err := c.ask(ctx, request{method: http.MethodGet, bearer: bearer}, &at)
	if err != nil {
		return Greeting{}, err
	}
	_ = response.Body.Close() // nothing of it is read
	return Greeting{Status: response.StatusCode, Header: response.Header, Took: time.Since(began)}, nil
}
