package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/cores"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// userHash is the bcrypt hash of the user's password, of the cost that docker_auth's documentation has people make it with.
const userHash = "$2a$05$l4H5LHTX9WUb6yIC4FwXIO99t5V0cNhwgL18ljQVfI64EytUVKTGO"

// startDockerAuth starts a docker_auth of one user, who may pull what the cases ask for, as may who gives no name. It writes no log,
// and signs with a key of the same kind as Dockit does.
func (s *site) startDockerAuth(ctx context.Context) (*server, error) {
	dir := filepath.Join(s.folder, "docker_auth")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "key.pem")
	commands := dockit.CLI{Path: s.options.dockit, Env: dockit.Environment(dir)}
	if _, err := commands.Run(ctx, "pki-generate", key); err != nil {
		return nil, err
	}
	p, err := port.Free(ctx)
	if err != nil {
		return nil, err
	}
	pull := []string{"pull"}
	config, err := json.Marshal(map[string]any{ // YAML as well
		"server": map[string]any{"addr": fmt.Sprintf("127.0.0.1:%d", p)},
		"token":  map[string]any{"issuer": "docker_auth", "expiration": 300, "certificate": key, "key": key},
		"users":  map[string]any{user: map[string]any{"password": userHash}, "": map[string]any{}},
		"acl": []any{
			map[string]any{"match": map[string]any{"account": user, "name": "team-0/*"}, "actions": pull},
			map[string]any{"match": map[string]any{"account": "", "name": "team-0/*"}, "actions": pull},
		},
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	n := &server{Server: &dockit.Server{Host: fmt.Sprintf("127.0.0.1:%d", p)}}
	n.URL = "http://" + n.Host
	err = cores.On(s.cores.Server, func() (err error) {
		n.Process, err = process.Start(process.Command{
			Name: "docker_auth", Path: s.options.dockerAuth, Args: []string{"-logtostderr=false", "-log_dir", dir, file}, Env: dockit.Environment(dir), Dir: dir,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, n)
	return n, n.WaitReady(ctx, http.DefaultClient, n.URL+"/", http.StatusOK)
}

// dockerAuthCases are the same work as of Dockit's own.
func (s *site) dockerAuthCases(n *server) []benchCase {
	person := get(n, asUser, 1)
	anonymous := get(n, nobody, 1)
	for _, target := range []*string{&person.URL, &anonymous.URL} {
		*target = n.URL + "/auth" + (*target)[len(n.URL+tokenPath):]
	}
	return []benchCase{
		{"docker_auth_password", "docker_auth: password, bcrypt of cost 5", n, person, http.StatusOK, false},
		{"docker_auth_anonymous", "docker_auth: anonymous", n, anonymous, http.StatusOK, false},
	}
}
