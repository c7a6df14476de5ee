package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

const (
	service      = "registry.test"
	rootUser     = "admin"
	rootPassword = "correct horse battery staple"
	api          = "/dockit/api/v1"
)

// site is the servers, their database, and who uses them.
type site struct {
	nodes []*node
	// targets are the nodes, and the watchers of their certificates.
	targets []*target
	maria   *mariadb.Server
	folder  string
	counts  *counts
	people  population
}

// node is one server.
type node struct {
	*dockit.Server
	// target has where Caddy's own admin endpoint listens, which has reloads, profiles and metrics.
	*target
	// caddyfile is what it serves: with the lifetime of tokens left out.
	caddyfile string
	admin     call.Caller
}

// startSite starts everything. Stop it, also after an error.
func startSite(ctx context.Context, o options, folder string) (*site, error) {
	s := &site{folder: folder, counts: newCounts()}
	database := "sqlite {env.HOME}/dockit.sqlite"
	if o.database == mariaDB {
		var err error
		if s.maria, err = mariadb.Start(ctx); err != nil {
			return s, err
		}
		database = "mysql {env.DOCKIT_SQL_DSN}"
	}
	for i := range o.nodes {
		n, err := s.startNode(ctx, o, filepath.Join(folder, fmt.Sprintf("node%d", i+1)), database)
		if err != nil {
			return s, err
		}
		s.nodes, s.targets = append(s.nodes, n), append(s.targets, n.target)
	}
	if err := s.populate(ctx); err != nil {
		return s, err
	}
	for i, n := range s.nodes {
		w, err := s.startWatcher(n, fmt.Sprintf("watcher of node%d", i+1))
		if err != nil {
			return s, err
		}
		s.targets = append(s.targets, w)
	}
	return s, nil
}

func (s *site) startNode(ctx context.Context, o options, dir, database string) (*node, error) {
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = port.Free(ctx); err != nil {
			return nil, err
		}
	}
	profile := fmt.Sprintf("127.0.0.1:%d", ports[1])
	n := &node{}
	n.caddyfile = fmt.Sprintf(`{
	admin %s
	persist_config off
	grace_period 5s
	metrics
	dockit {
		service %s
		refresh_tokens on
		token_ttl %%s
		database %s
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}

http://:%d {
	bind 127.0.0.1
	dockit
}
`, profile, service, database, ports[0])
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, n.withLifetime(0), 0o600); err != nil {
		return nil, err
	}
	config := dockit.Config{Binary: o.dockit, Port: ports[0], Dir: dir, Caddyfile: file, RootUser: rootUser, RootPassword: rootPassword}
	if s.maria != nil {
		config.MySQL = mariadb.DSN(s.maria.Address, "")
	}
	server, err := dockit.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	n.Server = server
	n.target = &target{Process: server.Process, title: "server " + filepath.Base(dir), profile: profile, dumps: map[string][]byte{}}
	n.admin = call.Caller{Base: server.URL, Username: rootUser, Password: rootPassword}
	return n, nil
}

// startWatcher runs init-container as it runs beside a registry.
func (s *site) startWatcher(n *node, title string) (*target, error) {
	p, err := process.Start(process.Command{
		Name: title, Path: n.Config().Binary, Dir: s.folder,
		Args: []string{"init-container", filepath.Join(s.folder, title+".pem"), "--base-url", n.URL, "--watch", "--interval", "1s", "--quiet", "--exec", "true"},
		Env:  dockit.Environment(s.folder),
	})
	return &target{Process: p, title: title}, err
}

// withLifetime is the configuration of a reload: each one is another than the one before.
func (n *node) withLifetime(reload int) []byte {
	return fmt.Appendf(nil, n.caddyfile, 5*time.Minute+time.Duration(reload%2)*time.Minute)
}

// stop ends everything.
func (s *site) stop() error {
	var err error
	for _, t := range slices.Backward(s.targets) {
		err = errors.Join(err, t.Stop())
	}
	if s.maria != nil {
		err = errors.Join(err, s.maria.Stop())
	}
	return err
}

// population is who logs in.
type population struct {
	// users have passwords, robots access tokens.
	users, robots []call.Caller
}

const (
	users  = 12
	robots = 12
)

// populate makes who logs in, and lets the anonymous pull.
func (s *site) populate(ctx context.Context) error {
	admin := s.nodes[0].admin
	pull := map[string]any{"permission": "repository:team/**:pull"}
	if err := must(ctx, admin, http.MethodPost, "/users/anonymous/permissions", map[string]any{"permission": "repository:public/*:pull"}, nil); err != nil {
		return err
	}
	for i := range users {
		c := call.Caller{Username: fmt.Sprintf("user%d", i), Password: fmt.Sprintf("the password of user %d", i)}
		if err := must(ctx, admin, http.MethodPost, "/users", map[string]any{"name": c.Username, "password": c.Password}, nil); err != nil {
			return err
		}
		if err := must(ctx, admin, http.MethodPost, "/users/"+c.Username+"/permissions", pull, nil); err != nil {
			return err
		}
		s.people.users = append(s.people.users, c)
	}
	for i := range robots {
		c := call.Caller{Username: fmt.Sprintf("robot%d", i)}
		if err := makeRobot(ctx, admin, &c); err != nil {
			return err
		}
		if err := must(ctx, admin, http.MethodPost, "/robots/"+c.Username+"/permissions", pull, nil); err != nil {
			return err
		}
		s.people.robots = append(s.people.robots, c)
	}
	return nil
}

// makeRobot makes a robot with an access token, which becomes its password.
func makeRobot(ctx context.Context, admin call.Caller, c *call.Caller) error {
	if err := must(ctx, admin, http.MethodPost, "/robots", map[string]any{"name": c.Username}, nil); err != nil {
		return err
	}
	var issued struct {
		Token string `json:"token"`
	}
	err := must(ctx, admin, http.MethodPost, "/robots/"+c.Username+"/access-tokens", map[string]any{"name": "soak"}, &issued)
	c.Password = issued.Token
	return err
}
