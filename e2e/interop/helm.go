package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
)

// helmClient pushes charts, by the library that the helm command is made of.
func helmClient(path string) *client {
	return &client{
		id: "helm",
		cannot: map[ability]string{
			canMount:     "pushes one chart at a time",
			canPushAgain: "pushes one chart at a time",
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canIndex:     "charts have no platforms",
			canReferrers: "has no command for referrers",
			canCache:     "builds nothing",
		},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			p := newProgram(path, home, s)
			if s.https() {
				p.before = []string{"-https"}
			}
			// A chart is pushed as its own name and version.
			const version = "1.0.0"
			chart := func(ref string) string { return strings.TrimSuffix(ref, ":"+latest) + ":" + version }
			push := func(ctx context.Context, ref string, size int64) error {
				return p.do(ctx, "", "push", chart(ref), strconv.FormatInt(size, 10))
			}
			pull := func(ctx context.Context, ref string) error { return p.do(ctx, "", "pull", chart(ref)) }
			return &session{
				home: home, config: filepath.Join(home, "config", "helm", "registry", "config.json"), tag: version,
				login: func(ctx context.Context, host, username, password string) error {
					return p.do(ctx, "", "login", host, username, password)
				},
				logout: func(ctx context.Context, host string) error { return p.do(ctx, "", "logout", host) },
				push:   push,
				pull:   pull,
				tags: func(ctx context.Context, repository string) (string, error) {
					return p.run(ctx, "", "tags", repository)
				},
				pushArtifact: func(ctx context.Context, ref string) error { return push(ctx, ref, 512) },
				pullArtifact: pull,
			}, nil
		},
	}
}
