package credentialprovider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/printable"
)

// maxService is the longest name of a service, in bytes.
const maxService = 255

// errAway is returned where a registry cannot answer.
var errAway = errors.New("the registry cannot answer at the moment")

// serviceOf asks a registry what its service is called.
func (p Provider) serviceOf(ctx context.Context, host string) (string, error) {
	at := &url.URL{Scheme: "https", Host: host, Path: "/v2/"}
	response, err := p.get(ctx, at)
	if _, unverified := errors.AsType[*tls.CertificateVerificationError](err); err != nil && IsLoopback(at.Hostname()) && !unverified {
		at.Scheme = "http" // as engines do on the own machine
		response, err = p.get(ctx, at)
	}
	if err != nil {
		return "", fmt.Errorf("ask the registry for the name of its service, which --service may say instead: %w", err)
	}
	_ = response.Body.Close() // nothing of it is read
	switch {
	case response.StatusCode >= http.StatusInternalServerError, response.StatusCode == http.StatusTooManyRequests:
		return "", fmt.Errorf("%s: status %s: %w", at, printable.Line(printable.Clip(response.Status)), errAway)
	case response.StatusCode != http.StatusUnauthorized:
		return "", fmt.Errorf("%s: status %s instead of how to log in: is that a registry that asks for tokens? --service says what it is called at Dockit",
			at, printable.Line(printable.Clip(response.Status)))
	}
	asked, err := challenge.Of(response.Header)
	if err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	if asked.Service == "" || len(asked.Service) > maxService || printable.Line(asked.Service) != asked.Service {
		return "", fmt.Errorf("%s names no service: set REGISTRY_AUTH_TOKEN_SERVICE there, or --service here", at)
	}
	return asked.Service, nil
}

func (p Provider) get(ctx context.Context, at *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	return p.HTTP.Do(request)
}

// IsLoopback reports whether a host is this machine, where no attacker is on the way.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
