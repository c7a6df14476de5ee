package main

import (
	"context"
	"path/filepath"
	"strings"
)

// craneClient is go-containerregistry's command.
func craneClient(path string) *client {
	return &client{
		id: "crane",
		cannot: map[ability]string{
			canPushAgain: "reads the source while it copies",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
			canCache:     "builds nothing",
		},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			p := newProgram(path, home, s)
			return &session{
				home: home, config: filepath.Join(home, "docker", "config.json"), trusting: true,
				login: func(ctx context.Context, host, username, password string) error {
					return p.do(ctx, password, "auth", "login", host, "--username", username, "--password-stdin")
				},
				logout: func(ctx context.Context, host string) error { return p.do(ctx, "", "auth", "logout", host) },
				push: func(ctx context.Context, ref string, size int64) error {
					file, err := newArchive(home, ref, size, platforms[0])
					if err != nil {
						return err
					}
					return p.do(ctx, "", "push", file, ref)
				},
				pull: func(ctx context.Context, ref string) error {
					return p.do(ctx, "", "pull", ref, filepath.Join(home, "pulled.tar"))
				},
				mount: func(ctx context.Context, from, to string) error { return p.do(ctx, "", "copy", from, to) },
				remove: func(ctx context.Context, ref, digest string) error {
					return p.do(ctx, "", "delete", strings.TrimSuffix(ref, ":"+latest)+"@"+digest)
				},
				catalog: func(ctx context.Context, host string) (string, error) { return p.run(ctx, "", "catalog", host) },
				tags:    func(ctx context.Context, repository string) (string, error) { return p.run(ctx, "", "ls", repository) },
				pushIndex: func(ctx context.Context, ref string) error {
					index, err := newIndex(home, ref)
					if err != nil {
						return err
					}
					// The layout holds one index, which is what is pushed.
					return p.do(ctx, "", "push", "--index", index, ref)
				},
				pullIndex: func(ctx context.Context, ref string) error {
					return p.do(ctx, "", "pull", "--format", "oci", ref, filepath.Join(home, "pulled"))
				},
			}, nil
		},
	}
}
