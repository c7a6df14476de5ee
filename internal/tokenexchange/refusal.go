package tokenexchange

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// maxMessage is how much of a server's sentence is shown, in bytes.
	maxMessage = 1000
	// maxRetryAfter bounds what a server may ask to wait.
	maxRetryAfter = time.Minute
)

// Refusal is an answer that is an error.
type Refusal struct {
	Status int
	// Code is that of RFC 6749 and RFC 8693, such as invalid_target; empty: the
	// server gave none.
	Code string
	// Message is the server's sentence, on one line and of bounded length; empty:
	// it gave none.
	Message string

	status     string
	retryAfter time.Duration
}

func (r *Refusal) Error() string {
	parts := []string{"status " + printable.Line(printable.Clip(r.status))}
	if r.Message != "" {
		parts = append(parts, r.Message)
	}
	if err := r.Unwrap(); err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns [ErrNoExchange] where the answer is that of something else.
func (r *Refusal) Unwrap() error {
	if r.Code == "" && r.Status < http.StatusInternalServerError && r.Status != http.StatusTooManyRequests || r.Code == "unsupported_grant_type" {
		return ErrNoExchange
	}
	return nil
}

// RetryAfter says whether another attempt may succeed, and how long to wait before
// it; zero: the server did not say.
func (r *Refusal) RetryAfter() (time.Duration, bool) {
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.retryAfter, true
	default:
		return 0, false
	}
}

func refusalOf(response *http.Response, content []byte, secret string) *Refusal {
	r := &Refusal{Status: response.StatusCode, status: response.Status}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Errors      []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if isJSON(response.Header) && json.Unmarshal(content, &body) == nil {
		if len(body.Errors) > 0 {
			body.Description = cmp.Or(body.Description, body.Errors[0].Message)
		}
		// Before it is cut: half of a secret is one as well.
		said := strings.ReplaceAll(body.Description, secret, "…")
		r.Code = printable.Line(printable.Clip(strings.ReplaceAll(body.Error, secret, "…")))
		r.Message = printable.Line(printable.ClipTo(said, maxMessage))
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.retryAfter = min(time.Duration(min(seconds, 3600))*time.Second, maxRetryAfter)
	}
	return r
}
