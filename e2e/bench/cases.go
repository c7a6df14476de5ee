package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

const (
	user         = "alice"
	userPassword = "another horse battery staple"
)

var (
	asUser = call.Caller{Username: user, Password: userPassword}
	nobody = call.Caller{}
)

// tokenPath is where Dockit has its endpoint for tokens.
const tokenPath = "/v2/token"

// benchCase is one kind of request.
type benchCase struct {
	id, title string
	server    *server
	target    vegeta.Target
	status    int
	// slow is set for what takes so long that little of it is measured.
	slow bool
}

// The ids of the cases that the limits are about.
const (
	plain      = "access_token"
	logged     = "access_token_logged"
	fleet      = "shared"
	remembered = "password"
	scopes60   = "scopes_60"
	largest    = "permissions_largest"
)

// cases are all kinds of requests: those of one subject by every way to prove who asks, and those whose size differs.
func (s *site) cases(ctx context.Context) ([]benchCase, error) {
	var failed error
	token := func(n *server, permissions int) call.Caller {
		c, err := n.accessToken(ctx, robot(permissions))
		if failed == nil {
			failed = err
		}
		return c
	}
	quiet, person := token(s.quiet, few), asUser
	wrong, err := s.quiet.accessToken(ctx, robot(few))
	if err != nil {
		return nil, err
	}
	if err := s.quiet.revoke(ctx, wrong); err != nil {
		return nil, err
	}
	refresh, err := s.quiet.refreshToken(ctx)
	if err != nil {
		return nil, err
	}
	hundredth, many := s.options.many/100, s.options.many
	all := []benchCase{
		{plain, "access token", s.quiet, get(s.quiet, quiet, 1), http.StatusOK, false},
		{"access_token_post", "access token, POST", s.quiet, post(s.quiet, passwordForm(quiet)), http.StatusOK, false},
		{logged, "access token, request log", s.logged, get(s.logged, token(s.logged, few), 1), http.StatusOK, false},
		{fleet, "access token, a fleet asks for the same", s.sharing, get(s.sharing, token(s.sharing, few), 1), http.StatusOK, false},
		{remembered, "password, remembered", s.quiet, get(s.quiet, person, 1), http.StatusOK, false},
		{"password_post", "password, remembered, POST", s.quiet, post(s.quiet, passwordForm(person)), http.StatusOK, false},
		{"password_first", "password, for the first time", s.large, get(s.large, person, 1), http.StatusOK, true},
		{"anonymous", "anonymous", s.quiet, get(s.quiet, nobody, 1), http.StatusOK, false},
		{"refresh_token", "refresh token, POST", s.quiet, post(s.quiet, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}), http.StatusOK, false},
		{"refused", "revoked access token", s.quiet, get(s.quiet, wrong, 1), http.StatusUnauthorized, false},
		{"scopes_10", "access token, 10 scopes", s.quiet, get(s.quiet, quiet, 10), http.StatusOK, false},
		{scopes60, "access token, 60 scopes", s.quiet, get(s.quiet, quiet, 60), http.StatusOK, false},
		{"database_large", fmt.Sprintf("access token, %d permissions of others in the database", many), s.large, get(s.large, token(s.large, few), 1), http.StatusOK, false},
		{"permissions_large", fmt.Sprintf("access token, %d permissions", hundredth), s.large, get(s.large, token(s.large, hundredth), 1), http.StatusOK, false},
		{largest, fmt.Sprintf("access token, %d permissions", many), s.large, get(s.large, token(s.large, many), 1), http.StatusOK, false},
		{"permissions_scopes", fmt.Sprintf("access token, %d permissions, 60 scopes", many), s.large, get(s.large, token(s.large, many), 60), http.StatusOK, false},
	}
	if s.dockerAuth != nil {
		all = append(all, s.dockerAuthCases(s.dockerAuth)...)
	}
	var chosen []benchCase
	for _, c := range all {
		if s.options.only.MatchString(c.id) {
			chosen = append(chosen, c)
		}
	}
	return chosen, failed
}

func scopes(count int) url.Values {
	values := url.Values{"service": {service}}
	for i := range count {
		values.Add("scope", fmt.Sprintf("repository:team-0/app-%d:pull", i))
	}
	return values
}

// get is a request as docker makes it.
func get(n *server, c call.Caller, count int) vegeta.Target {
	query := scopes(count)
	header := http.Header{"User-Agent": {"docker/29.0.0 go/go1.26.0 git-commit/0000000 kernel/6.1.0 os/linux arch/amd64"}, "Accept-Encoding": {"gzip"}}
	if c.Username != "" {
		query.Set("account", c.Username)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	return vegeta.Target{Method: http.MethodGet, URL: n.URL + tokenPath + "?" + query.Encode(), Header: header}
}

// post is a request as containerd makes it.
func post(n *server, form url.Values) vegeta.Target {
	maps.Copy(form, scopes(1))
	form.Set("client_id", "containerd-client")
	return vegeta.Target{
		Method: http.MethodPost, URL: n.URL + tokenPath, Body: []byte(form.Encode()),
		Header: http.Header{"User-Agent": {"containerd/2.2.0"}, "Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	}
}

func passwordForm(c call.Caller) url.Values {
	return url.Values{"grant_type": {"password"}, "username": {c.Username}, "password": {c.Password}}
}

// revoke revokes an access token.
func (n *server) revoke(ctx context.Context, token call.Caller) error {
	_, rest, _ := strings.Cut(token.Password, "_")
	id, _, _ := strings.Cut(rest, "_")
	return n.send(ctx, http.MethodDelete, "/access-tokens/"+id, nil, nil)
}

// refreshToken is what docker login would store of the user.
func (n *server) refreshToken(ctx context.Context) (string, error) {
	a, err := call.Caller{Base: n.URL, Username: user, Password: userPassword}.Send(ctx, http.MethodGet,
		"/v2/token?offline_token=true&client_id=docker&service="+service, nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(a.Body, &answer); err != nil || answer.RefreshToken == "" {
		return "", fmt.Errorf("log in as docker does: %s: no refresh token", a)
	}
	return answer.RefreshToken, nil
}
