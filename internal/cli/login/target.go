package login

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/version"
)

const (
	// maxService is the longest name of a service, in bytes.
	maxService = 255
	// maxRealm is the longest realm, in bytes.
	maxRealm = 2048
)

// target is a registry.
type target struct {
	host dockerconfig.Host
	base *url.URL
	// either is set where http is tried as well, as docker does on the own machine.
	either bool
}

// parseTarget reads a registry as people write it. On http is one of the own machine
// only: an attacker on the way to another could send the token elsewhere.
func parseTarget(text string) (*target, error) {
	host, err := dockerconfig.ParseHost(text)
	if err != nil {
		return nil, cli.UsageError(err)
	}
	host = host.Host()
	scheme, _, given := strings.Cut(text, "://")
	if !given {
		scheme = "https"
	}
	if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
		return nil, cli.Usagef("registry %q: write registry.example.com or https://registry.example.com", printable.Clip(text))
	}
	t := &target{host: host, base: &url.URL{Scheme: scheme, Host: string(host), Path: "/v2/"}}
	if cli.AnybodyAnswers(t.base) {
		return nil, cli.Usagef("%s is on http: a token that goes there can be read on the way; use https", printable.Clip(text))
	}
	t.either = !given && t.onThisMachine()
	return t, nil
}

// onThisMachine reports whether the registry is on a loopback address.
func (t *target) onThisMachine() bool {
	return !cli.AnybodyAnswers(&url.URL{Scheme: "http", Host: t.base.Host})
}

// place is where tokens for a registry come from.
type place struct {
	realm   *url.URL
	service string
}

// ask gets the registry's challenge.
func (t *target) ask(ctx context.Context, client *http.Client) (place, error) {
	response, err := get(ctx, client, t.base)
	if _, unverified := errors.AsType[*tls.CertificateVerificationError](err); err != nil && t.either && !unverified {
		plain := *t.base
		plain.Scheme = "http"
		response, err = get(ctx, client, &plain)
	}
	if err != nil {
		return place{}, fmt.Errorf("ask the registry how to log in: %w", err)
	}
	_ = response.Body.Close() // nothing of it is read
	at := response.Request.URL
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
	case code == http.StatusOK:
		return place{}, fmt.Errorf("%s asks for no login: everybody may do everything there", at)
	case code >= 300 && code < 400:
		return place{}, fmt.Errorf("%s: status %s: it redirects to %q: name that registry", at, visible(response.Status), visible(response.Header.Get("Location")))
	default:
		err := &statusError{code, fmt.Sprintf("%s: status %s: is that a registry?", at, visible(response.Status))}
		return place{}, err
	}
	asked, err := challenge.Of(response.Header)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", at, err)
	}
	return t.accept(asked)
}

// accept makes sure that the realm is one that a token may go to.
func (t *target) accept(asked challenge.Challenge) (place, error) {
	if asked.Service == "" || len(asked.Service) > maxService || printable.Line(asked.Service) != asked.Service {
		return place{}, fmt.Errorf("%s names no service: set REGISTRY_AUTH_TOKEN_SERVICE there", t.host)
	}
	realm, err := url.Parse(asked.Realm)
	if err != nil || len(asked.Realm) > maxRealm || realm.Host == "" || realm.Scheme != "http" && realm.Scheme != "https" || realm.User != nil || realm.Fragment != "" {
		return place{}, fmt.Errorf("%s sends its clients to %q, which is no URL of a token endpoint: set REGISTRY_AUTH_TOKEN_REALM there to Dockit's address with /v2/token behind it", t.host, visible(asked.Realm))
	}
	if realm.Scheme == "http" && (cli.AnybodyAnswers(realm) || !t.onThisMachine()) {
		return place{}, fmt.Errorf("%s sends its clients to %s, which is on http: a token that goes there can be read on the way; set REGISTRY_AUTH_TOKEN_REALM there to an address on https", t.host, visible(asked.Realm))
	}
	return place{realm, asked.Service}, nil
}

func get(ctx context.Context, client *http.Client, at *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, cli.ExplainConnection(err))
	}
	return response, nil
}

func visible(s string) string { return printable.Line(printable.Clip(s)) }
