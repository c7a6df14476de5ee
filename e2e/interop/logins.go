package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

func loginWithPassword(ctx context.Context, t *trial) error {
	repository := t.repository()
	p, err := t.user(ctx, "alice", "repository:"+repository+":push")
	if err != nil {
		return err
	}
	return t.usable(ctx, p, repository)
}

func loginWithAccessToken(ctx context.Context, t *trial) error {
	repository := t.repository()
	p, err := t.user(ctx, "alice", "repository:"+repository+":push")
	if err != nil {
		return err
	}
	if p.password, err = t.site.accessToken(ctx, p); err != nil {
		return err
	}
	return t.usable(ctx, p, repository)
}

func loginWithJobToken(ctx context.Context, t *trial) error {
	repository := t.repository()
	p := person{name: t.id + "-ci", robot: true}
	if err := t.site.add(ctx, &p, "repository:"+repository+":push"); err != nil {
		return err
	}
	token, err := t.site.jobToken(ctx, p)
	if err != nil {
		return err
	}
	p.password = token
	return t.usable(ctx, p, repository)
}

// usable logs in and does what the login is for.
func (t *trial) usable(ctx context.Context, p person, repository string) error {
	if !t.site.kind.cache && t.client.pulls == "" {
		s, err := t.enter(ctx, p)
		if err != nil {
			return err
		}
		if err := s.push(ctx, t.origin(repository), small); err != nil {
			return fmt.Errorf("push: %w", err)
		}
		_, err = t.digest(ctx, repository, s)
		return err
	}
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if err := s.login(ctx, t.site.host, p.name, p.password); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return s.pull(ctx, t.ref(repository))
}

func wrongPassword(ctx context.Context, t *trial) error {
	repository := t.repository()
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	p, err := t.user(ctx, "alice", "repository:"+repository+":pull")
	if err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if err := s.login(ctx, t.site.host, p.name, "a wrong password"); !s.trusting || err != nil {
		if err := refused("a login with a wrong password", err); err != nil {
			return err
		}
	}
	if err := refused("a pull with a wrong password", s.pull(ctx, t.ref(repository))); err != nil {
		return err
	}
	if err := s.login(ctx, t.site.host, p.name, p.password); err != nil {
		return fmt.Errorf("log in with the right one afterwards: %w", err)
	}
	return s.pull(ctx, t.ref(repository))
}

func logout(ctx context.Context, t *trial) error {
	repository := t.repository()
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	p, err := t.user(ctx, "alice", "repository:"+repository+":pull")
	if err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if s.logout == nil {
		return t.missing(canLogout)
	}
	if err := s.login(ctx, t.site.host, p.name, p.password); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if err := s.pull(ctx, t.ref(repository)); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	if err := s.logout(ctx, t.site.host); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return refused("a pull after the logout", s.pull(ctx, t.ref(repository)))
}

// identityToken has a client find in its configuration what docker login stores where refresh tokens are on.
func identityToken(ctx context.Context, t *trial) error {
	repository := t.repository()
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	p := person{name: t.id + "-ci", robot: true}
	if err := t.site.add(ctx, &p, "repository:"+repository+":pull"); err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if s.config == "" {
		return t.missing(canRefresh)
	}
	token, err := t.site.refreshToken(ctx, p)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, t.site.host, token); err != nil {
		return err
	}
	return s.pull(ctx, t.ref(repository))
}

// keep has the client find a refresh token where docker login would have put it.
func (s *session) keep(ctx context.Context, host, token string) error {
	if s.storeToken != nil {
		return s.storeToken(ctx, host, token)
	}
	return storeIdentityToken(s.config, host, token)
}

// refreshToken logs a job of the robot in as docker login does.
func (s *site) refreshToken(ctx context.Context, p person) (string, error) {
	job, err := s.jobToken(ctx, p)
	if err != nil {
		return "", err
	}
	query := url.Values{"service": {s.service()}, "offline_token": {"true"}, "client_id": {"docker"}, "account": {p.name}}
	a, err := call.Caller{Base: s.dockit.URL, Username: p.name, Password: job, HTTP: s.dockit.HTTPClient()}.
		Send(ctx, http.MethodGet, "/v2/token?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	var got struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil || got.RefreshToken == "" {
		return "", fmt.Errorf("get a refresh token: %s", a)
	}
	return got.RefreshToken, nil
}

// storeIdentityToken writes a configuration as docker login does.
func storeIdentityToken(file, host, token string) error {
	type login struct {
		Auth          string `json:"auth"`
		IdentityToken string `json:"identitytoken"`
	}
	// The user is what docker writes for a refresh token, with an empty password.
	content, err := json.Marshal(map[string]any{"auths": map[string]login{host: {"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", token}}})
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, content, 0o600))
}

// unlikely is a password that nobody has.
func unlikely() string { return rand.Text() }
