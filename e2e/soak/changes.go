package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

// changes are what admins and operators do. What is made is removed again, so that there is never more than before.
var changes = []work{
	{briefRobots, 2, 500 * time.Millisecond, func(_ *site, worker int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			return life(ctx, n, fmt.Sprintf("brief-%d-%d-%d", worker, round, time.Now().UnixNano()))
		}
	}},
	{"group: members, rights, listings", 1, time.Second, func(s *site, _ int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			return s.group(ctx, n, fmt.Sprintf("group-%d", time.Now().UnixNano()))
		}
	}},
	{"password: change", 1, 5 * time.Second, func(s *site, _ int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			name := fmt.Sprintf("changing-%d", time.Now().UnixNano())
			if err := must(ctx, n.admin, http.MethodPost, "/users", map[string]any{"name": name, "password": "the first password"}, nil); err != nil {
				return err
			}
			err := must(ctx, n.admin, http.MethodPut, "/users/"+name+"/password", map[string]any{"password": "the second password"}, nil)
			if err == nil {
				err = get(ctx, call.Caller{Base: n.URL, Username: name, Password: "the second password"}, tokenPath+"team/app:pull", http.StatusOK)
			}
			return errors.Join(err, must(ctx, n.admin, http.MethodDelete, "/users/"+name, nil, nil))
		}
	}},
	{"state: export, plan, apply", 1, 3 * time.Second, func(*site, int) func(context.Context, *node, int) error { return apply }},
	{"keys: rotate", 1, 15 * time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			if round%20 == 19 {
				return must(ctx, n.admin, http.MethodPost, "/pki/rotate-ca", map[string]any{"force": true}, nil)
			}
			return must(ctx, n.admin, http.MethodPost, "/pki/rotate", nil, nil)
		}
	}},
	{"audit: read, verify", 1, 2 * time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			if err := must(ctx, n.admin, http.MethodGet, "/audit?limit=100", nil, nil); err != nil {
				return err
			}
			return must(ctx, n.admin, http.MethodGet, "/audit/head", nil, nil)
		}
	}},
	{"reload", 1, 5 * time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			return n.ask(ctx, http.MethodPost, "/load", n.withLifetime(round))
		}
	}},
	{"metrics, health", 2, time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return errors.Join(n.ask(ctx, http.MethodGet, "/metrics", nil),
				get(ctx, call.Caller{Base: n.URL}, "/readyz?can=change", http.StatusOK), get(ctx, call.Caller{Base: n.URL}, "/v2/certs/jwks", http.StatusOK))
		}
	}},
}

// life is that of a robot.
func life(ctx context.Context, n *node, name string) (err error) {
	c := call.Caller{Base: n.URL, Username: name}
	if err := makeRobot(ctx, n.admin, &c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, must(ctx, n.admin, http.MethodDelete, "/robots/"+name, nil, nil)) }()
	if err := must(ctx, n.admin, http.MethodPost, "/robots/"+name+"/permissions", map[string]any{"permission": "repository:team/app:push"}, nil); err != nil {
		return err
	}
	if err := pull(ctx, n, c); err != nil {
		return err
	}
	var tokens struct{ Items []struct{ ID string } }
	if err := must(ctx, n.admin, http.MethodGet, "/robots/"+name+"/access-tokens", nil, &tokens); err != nil {
		return err
	}
	for _, token := range tokens.Items {
		if err := must(ctx, n.admin, http.MethodPost, "/access-tokens/"+token.ID+"/rotate", nil, nil); err != nil {
			return err
		}
		if err := must(ctx, n.admin, http.MethodDelete, "/access-tokens/"+token.ID, nil, nil); err != nil {
			return err
		}
	}
	if err := must(ctx, n.admin, http.MethodPatch, "/robots/"+name, map[string]any{"disabled": true}, nil); err != nil {
		return err
	}
	return get(ctx, c, tokenPath+"team/app:pull", http.StatusUnauthorized)
}

// group makes a group of everybody and removes it.
func (s *site) group(ctx context.Context, n *node, name string) (err error) {
	if err := must(ctx, n.admin, http.MethodPost, "/groups", map[string]any{"name": name}, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, must(ctx, n.admin, http.MethodDelete, "/groups/"+name, nil, nil)) }()
	for _, c := range s.people.users {
		if err := must(ctx, n.admin, http.MethodPut, "/groups/"+name+"/members/user:"+c.Username, nil, nil); err != nil {
			return err
		}
	}
	if err := must(ctx, n.admin, http.MethodPost, "/groups/"+name+"/permissions", map[string]any{"permission": "namespace:group:push"}, nil); err != nil {
		return err
	}
	for _, path := range []string{"/users?limit=1000", "/groups/" + name + "/members", "/users/user0/effective-permissions", "/users/user0/can?name=group/app&actions=push"} {
		if err := must(ctx, n.admin, http.MethodGet, path, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// apply exports everything, plans that, and applies a document of a robot that has other rights than before.
func apply(ctx context.Context, n *node, round int) error {
	exported, err := n.admin.Send(ctx, http.MethodGet, api+"/state?format=json", nil)
	if err != nil {
		return err
	}
	if !exported.OK() {
		return fmt.Errorf("export: %s", exported)
	}
	if err := n.state(ctx, http.MethodPost, "/state/plan", exported.Body); err != nil {
		return err
	}
	return n.state(ctx, http.MethodPut, "/state",
		fmt.Appendf(nil, "version: dockit/v1\nrobots:\n  - name: applied\n    permissions: [\"repository:applied/%d:pull\"]\n", round%2))
}

// state sends a document.
func (n *node) state(ctx context.Context, method, path string, document []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, n.URL+api+path, bytes.NewReader(document))
	if err != nil {
		return err
	}
	req.SetBasicAuth(n.admin.Username, n.admin.Password)
	req.Header.Set("Content-Type", "application/yaml")
	return send(req)
}

// ask sends a request to Caddy's own admin endpoint.
func (n *node) ask(ctx context.Context, method, path string, caddyfile []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.profile+path, bytes.NewReader(caddyfile))
	if err != nil {
		return err
	}
	if caddyfile != nil {
		req.Header.Set("Content-Type", "text/caddyfile")
	}
	return send(req)
}

// send sends a request that must succeed.
func send(req *http.Request) error {
	resp, err := (&http.Client{Transport: oneConnection}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL, resp.Status, body)
	}
	return err
}
