// Package call makes requests to Dockit as one caller, and reads what it answers.
package call

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// http1 keeps connections.
var http1 = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}

// CloseIdle closes the connections that are kept and not in use.
func CloseIdle() { http1.CloseIdleConnections() }

// Caller calls one Dockit as one user, or as nobody without a name.
type Caller struct {
	Base, Username, Password string
	// HTTP makes the requests. Default: a client that keeps connections, and trusts what the machine trusts.
	HTTP *http.Client
}

// Answer is what a request got.
type Answer struct {
	Status int
	// Kind is the media type.
	Kind string
	Body []byte
}

// Problem is the body of a refusal.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// OK reports whether the answer is a success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Problem is what a refusal says, or empty.
func (a Answer) Problem() (p Problem) {
	if strings.HasPrefix(a.Kind, "application/problem+json") {
		_ = json.Unmarshal(a.Body, &p) // then it says nothing, and the test tells
	}
	return p
}

// Decode reads a body in JSON, unless into is nil or there is no body.
func (a Answer) Decode(into any) error {
	if into == nil || len(a.Body) == 0 {
		return nil
	}
	return json.Unmarshal(a.Body, into)
}

func (a Answer) String() string {
	return fmt.Sprintf("%d %s", a.Status, bytes.TrimSpace(a.Body))
}

// Send makes one request, with a body in JSON unless that is nil.
func (c Caller) Send(ctx context.Context, method, path string, body any) (Answer, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, content)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Username != "" {
		req.SetBasicAuth(c.Username, c.Password)
	}
	client := http1
	if c.HTTP != nil {
		client = c.HTTP
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header.Get("Content-Type"), read}, err
}
