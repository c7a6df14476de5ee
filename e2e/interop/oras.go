package main

import (
	"context"
	"path/filepath"
)

// orasClient pushes any file as an artifact.
func orasClient(path string) *client {
	return &client{
		id:     "oras",
		cannot: map[ability]string{canPushAgain: "reads the source while it copies", canCache: "builds nothing"},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			config := filepath.Join(home, "docker", "config.json")
			p := newProgram(path, home, s)
			// Without a word, it takes localhost for a registry without TLS.
			plain := "-plain-http=" + boolean(!s.https())
			options := []string{"--registry-config", config, "-" + plain}
			run := func(ctx context.Context, stdin string, args ...string) (string, error) {
				return p.run(ctx, stdin, append(args, options...)...)
			}
			do := func(ctx context.Context, stdin string, args ...string) error {
				_, err := run(ctx, stdin, args...)
				return err
			}
			// between is cp, which has these options for each of both sides.
			between := func(ctx context.Context, args ...string) error {
				args = append([]string{"cp"}, args...)
				for _, side := range []string{"from", "to"} {
					args = append(args, "--"+side+"-registry-config", config, "--"+side+plain)
				}
				return p.do(ctx, "", args...)
			}
			pushFrom := func(ctx context.Context, layout, ref string) error {
				return p.do(ctx, "", "cp", "--from-oci-layout", layout+":"+latest, ref, "--to-registry-config", config, "--to"+plain)
			}
			pullTo := func(ctx context.Context, ref, layout string) error {
				return p.do(ctx, "", "cp", "--to-oci-layout", ref, layout+":"+latest, "--from-registry-config", config, "--from"+plain)
			}
			return &session{
				home: home, config: config,
				login: func(ctx context.Context, host, username, password string) error {
					return do(ctx, password, "login", host, "--username", username, "--password-stdin")
				},
				logout: func(ctx context.Context, host string) error {
					return p.do(ctx, "", "logout", host, "--registry-config", config)
				},
				push: func(ctx context.Context, ref string, size int64) error {
					image, err := newLayout(home, ref, size)
					if err != nil {
						return err
					}
					return pushFrom(ctx, image, ref)
				},
				pull:  func(ctx context.Context, ref string) error { return pullTo(ctx, ref, filepath.Join(home, "pulled")) },
				mount: func(ctx context.Context, from, to string) error { return between(ctx, from, to) },
				remove: func(ctx context.Context, ref, _ string) error {
					return do(ctx, "", "manifest", "delete", "--force", ref)
				},
				catalog: func(ctx context.Context, host string) (string, error) { return run(ctx, "", "repo", "ls", host) },
				tags: func(ctx context.Context, repository string) (string, error) {
					return run(ctx, "", "repo", "tags", repository)
				},
				pushIndex: func(ctx context.Context, ref string) error {
					index, err := newIndex(home, ref)
					if err != nil {
						return err
					}
					return pushFrom(ctx, index, ref)
				},
				pullIndex: func(ctx context.Context, ref string) error { return pullTo(ctx, ref, filepath.Join(home, "index")) },
				pushArtifact: func(ctx context.Context, ref string) error {
					file, err := artifactFile(home, ref)
					if err != nil {
						return err
					}
					return do(ctx, "", "push", ref, file, "--artifact-type", artifactType, "--disable-path-validation")
				},
				pullArtifact: func(ctx context.Context, ref string) error {
					return do(ctx, "", "pull", ref, "--output", filepath.Join(home, "files"), "--allow-path-traversal")
				},
				attach: func(ctx context.Context, ref string) error {
					file, err := artifactFile(home, "signature of "+ref)
					if err != nil {
						return err
					}
					return do(ctx, "", "attach", ref, file, "--artifact-type", artifactType, "--disable-path-validation")
				},
				referrers: func(ctx context.Context, ref string) (string, error) {
					return run(ctx, "", "discover", ref, "--format", "json")
				},
			}, nil
		},
	}
}

// artifactType is what artifacts are said to be.
const artifactType = "application/vnd.example.interop"
