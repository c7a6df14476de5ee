package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

const tokenPath = "/v2/token?service=" + service + "&scope=repository:"

// tokens are requests for registry tokens in every way there is.
var tokens = []work{
	{"token by password", 4, 100 * time.Millisecond, func(s *site, worker int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			return pull(ctx, n, s.people.users[(worker+4*round)%len(s.people.users)])
		}
	}},
	{"token by access token", 4, 50 * time.Millisecond, func(s *site, worker int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			return pull(ctx, n, s.people.robots[(worker+4*round)%len(s.people.robots)])
		}
	}},
	{"token, anonymous", 2, 100 * time.Millisecond, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return get(ctx, call.Caller{Base: n.URL}, tokenPath+"public/app:pull", http.StatusOK)
		}
	}},
	{"token by refresh token", 2, 200 * time.Millisecond, func(s *site, worker int) func(context.Context, *node, int) error {
		var refresh string
		return func(ctx context.Context, n *node, round int) (err error) {
			c := s.people.users[worker]
			if round%50 == 0 || refresh == "" {
				// As a docker login does, whose token before is no longer used.
				if err := must(ctx, n.admin, http.MethodDelete, "/users/"+c.Username+"/refresh-tokens", nil, nil); err != nil {
					return err
				}
				refresh, err = post(ctx, n, url.Values{"grant_type": {"password"}, "username": {c.Username}, "password": {c.Password}, "access_type": {"offline"}})
				return err
			}
			_, err = post(ctx, n, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
			return err
		}
	}},
}

// pull asks as one of the population.
func pull(ctx context.Context, n *node, c call.Caller) error {
	c.Base = n.URL
	return get(ctx, c, tokenPath+"team/app:pull", http.StatusOK)
}

// post asks in the way of OAuth, and returns the refresh token of the answer.
func post(ctx context.Context, n *node, form url.Values) (string, error) {
	form.Set("service", service)
	form.Set("client_id", "soak")
	form.Set("scope", "repository:team/app:pull")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL+"/v2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{Transport: oneConnection}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("POST %s by %s: %s: %s", req.URL.Path, form.Get("grant_type"), resp.Status, body)
	}
	err = json.Unmarshal(body, &answer)
	return answer.RefreshToken, err
}

// oneConnection opens a connection for each request.
var oneConnection = &http.Transport{DisableKeepAlives: true}
