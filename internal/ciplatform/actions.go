package ciplatform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/version"
)

const (
	actionsURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	actionsToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"

	// maxAnswer is the largest answer of a CI service that is read, in bytes.
	maxAnswer = 1 << 20
)

// fromActions asks GitHub or Forgejo, which answer jobs that are permitted to.
func (e Environment) fromActions() *Source {
	address, bearer := e.get(actionsURL), e.get(actionsToken)
	if address == "" || bearer == "" {
		return nil
	}
	service := "GitHub Actions"
	if e.isForgejo() {
		service = "Forgejo Actions"
	}
	return &Source{name: service, cure: "it was asked for that", fetch: func(ctx context.Context, audience string) (string, error) {
		return e.askActions(ctx, address, bearer, audience)
	}}
}

func (e Environment) askActions(ctx context.Context, address, bearer, audience string) (string, error) {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" || target.User != nil {
		return "", errors.New(actionsURL + " is no URL") // which the error would repeat
	}
	if target.Scheme != "https" && (target.Scheme != "http" || !isLoopback(target.Hostname())) {
		return "", fmt.Errorf("%s is not on https: a token that goes to %s can be read on the way", actionsURL, printable.Clip(target.Host))
	}
	if e.HTTP == nil {
		return "", errors.New("there is no client to ask it with")
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += url.Values{"audience": {audience}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "bearer "+bearer)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	response, err := e.HTTP.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok { // whose URL is long
			err = failed.Err
		}
		return "", fmt.Errorf("ask %s for a token: %w", target.Host, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("ask %s for a token: read the answer: %w", target.Host, err)
	case len(content) > maxAnswer:
		return "", fmt.Errorf("ask %s for a token: it answers with more than %d bytes", target.Host, maxAnswer)
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("ask %s for a token: %w", target.Host, statusOf(response))
	}
	var answer struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(content, &answer) != nil || answer.Value == "" {
		return "", fmt.Errorf("ask %s for a token: there is none in its answer", target.Host)
	}
	return answer.Value, nil
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// statusError is an answer of a CI service that is no token.
type statusError struct {
	code   int
	status string
}

func statusOf(response *http.Response) error {
	return &statusError{response.StatusCode, printable.Line(printable.Clip(response.Status))}
}

func (e *statusError) Error() string { return "status " + e.status }

// RetryAfter reports whether another attempt may succeed.
func (e *statusError) RetryAfter() (time.Duration, bool) {
	return 0, e.code == http.StatusTooManyRequests || e.code >= http.StatusInternalServerError
}
