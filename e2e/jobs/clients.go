package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/engine"
)

// programs are those that are run.
type programs struct {
	dockit, registry, crane string
	// docker, dockerd and skopeo are there where scripts/get-clients put them.
	docker, dockerd, skopeo string
}

// find builds what is built, and looks for the others.
func (p programs) find(ctx context.Context, folder string) (programs, error) {
	var err error
	if p.registry == "" {
		say("building the registry")
		if p.registry, err = build.Tool(ctx, folder, build.Registry); err != nil {
			return p, err
		}
	}
	if p.crane == "" {
		say("building crane")
		if p.crane, err = build.Tool(ctx, folder, build.Crane); err != nil {
			return p, err
		}
	}
	root, err := build.Root()
	if err != nil {
		return p, err
	}
	for name, into := range map[string]*string{"docker": &p.docker, "dockerd": &p.dockerd, "skopeo": &p.skopeo} {
		path := filepath.Join(root, "bin", "clients", name)
		if _, err := os.Stat(path); err != nil {
			say("without %s: run scripts/get-clients bin/clients", name)
			continue
		}
		*into = path
	}
	return p, nil
}

// client is a program with a home folder of its own, and a way to log in.
type client struct {
	id, title, home string
	// login takes the token of a job.
	login func(ctx context.Context, host, token string) error
	// load has a program that keeps images read one.
	load func(ctx context.Context, file string) error
	push func(ctx context.Context, file, ref string) error
}

// clients are those that this machine can run. Stop them at the end.
func (p programs) clients(ctx context.Context, folder string) (all []client, stop func() error, err error) {
	home := func(name string) string { return filepath.Join(folder, name) }
	stop = func() error { return nil }
	all = []client{p.craneClient(home("crane"))}
	if p.skopeo != "" {
		all = append(all, p.skopeoClient(home("skopeo")))
	}
	if p.docker != "" && p.dockerd != "" {
		e, err := engine.Start(ctx, p.dockerd, p.docker)
		if err != nil {
			say("without docker: no engine runs here: %s", err)
		} else {
			all = append(all, dockerClient(e, home("docker")), p.posting(e, home("posting")))
			stop = e.Stop
		}
	}
	for _, c := range all {
		if err := os.MkdirAll(filepath.Join(c.home, "docker"), 0o700); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
	}
	return all, stop, nil
}

func nothing(context.Context, string) error { return nil }

// dockitLogin exchanges the token of a job for a password, and keeps that as docker does.
func (p programs) dockitLogin(home string) func(ctx context.Context, host, token string) error {
	return func(ctx context.Context, host, token string) error {
		cli := dockit.CLI{Path: p.dockit, Env: append(dockit.Environment(home), "DOCKIT_ID_TOKEN="+token)}
		_, err := cli.Run(ctx, "login", host, "--audience", service)
		return err
	}
}

func (p programs) craneClient(home string) client {
	return client{
		"crane", "crane, logged in by dockit login", home, p.dockitLogin(home), nothing,
		func(ctx context.Context, file, ref string) error {
			return dockit.RunProgram(ctx, home, "", p.crane, "push", file, ref)
		},
	}
}

func (p programs) skopeoClient(home string) client {
	return client{
		"skopeo", "skopeo, logged in by dockit login", home, p.dockitLogin(home), nothing,
		func(ctx context.Context, file, ref string) error {
			policy := filepath.Join(home, "policy.json")
			if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
				return err
			}
			return dockit.RunProgram(ctx, home, "", p.skopeo, "--policy", policy, "--tmpdir", home, "copy",
				"--authfile", filepath.Join(home, "docker", "config.json"), "--dest-tls-verify=false", "docker-archive:"+file, "docker://"+ref)
		},
	}
}

// dockerLogin logs in with the token itself, for which docker gets a refresh token.
func dockerLogin(e *engine.Engine, home string) func(ctx context.Context, host, token string) error {
	return func(ctx context.Context, host, token string) error {
		return e.Docker(ctx, home, token, "login", host, "--username", "_", "--password-stdin")
	}
}

func dockerClient(e *engine.Engine, home string) client {
	return client{
		"docker", "docker, logged in by docker login", home, dockerLogin(e, home),
		func(ctx context.Context, file string) error { return e.Docker(ctx, home, "", "load", "--input", file) },
		func(ctx context.Context, _, ref string) error { return e.Docker(ctx, home, "", "push", ref) },
	}
}

// posting uses what docker login stored as buildx does, which asks for each token by POST with the refresh token. crane does the
// same.
func (p programs) posting(e *engine.Engine, home string) client {
	c := p.craneClient(home)
	c.id, c.title, c.login = "post", "POST as buildx does, logged in by docker login", dockerLogin(e, home)
	return c
}
