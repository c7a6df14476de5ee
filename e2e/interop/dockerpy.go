package main

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dockerPy does what the library is asked for.
//
//go:embed dockerpy.py
var dockerPy string

// dockerPyClient is a program of Python with the library docker-py, at the engine of the site. It stores no logins, and finds those
// of docker.
func dockerPyClient(library string) *client {
	return &client{
		id: "docker-py",
		cannot: map[ability]string{
			canLogout:    "stores no logins",
			canDelete:    "has no call to delete at a registry",
			canCatalog:   "has no call for the catalog",
			canTags:      "has no call for tags",
			canIndex:     "has no call for an index",
			canArtifact:  "pushes images",
			canReferrers: "has no call for referrers",
			canCache:     "has no build cache at a registry",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			e, err := s.engine.get(ctx, s)
			if err != nil {
				return nil, err
			}
			p := newProgram("/usr/bin/python3", home, s)
			script, err := p.in("dockerpy.py")
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(script, []byte(dockerPy), 0o600); err != nil {
				return nil, err
			}
			p.env = append(p.env, "DOCKER_HOST="+e.Host(), "PYTHONPATH="+library, "PYTHONDONTWRITEBYTECODE=1")
			nobody := p.env
			do := func(ctx context.Context, args ...string) error {
				return p.do(ctx, "", append([]string{script}, args...)...)
			}
			var hosts []string
			pushAgain := func(ctx context.Context, from, to string) error { return do(ctx, "push-again", from, to) }
			return &session{
				home: home, config: filepath.Join(home, "docker", "config.json"),
				login: func(ctx context.Context, host, username, password string) error {
					hosts = append(hosts, host)
					p.env = append(slices.Clip(nobody),
						"INTEROP_HOSTS="+strings.Join(hosts, " "), "INTEROP_USERNAME="+username, "INTEROP_PASSWORD="+password)
					return do(ctx, "login")
				},
				push: func(ctx context.Context, ref string, size int64) error {
					file, err := newArchive(home, ref, size, platforms[0])
					if err != nil {
						return err
					}
					return do(ctx, "push", ref, file)
				},
				pull:      func(ctx context.Context, ref string) error { return do(ctx, "pull", ref) },
				mount:     pushAgain,
				pushAgain: pushAgain,
			}, nil
		},
	}
}
