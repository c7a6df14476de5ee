package main

import (
	"context"
	"path/filepath"
)

// regctlClient is regclient's command.
func regctlClient(path string) *client {
	return &client{
		id:     "regctl",
		cannot: map[ability]string{canPushAgain: "reads the source while it copies", canCache: "builds nothing"},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			p := newProgram(path, home, s)
			config, err := p.in("docker", "config.json")
			if err != nil {
				return nil, err
			}
			p.env = append(p.env, "REGCTL_CONFIG="+filepath.Join(home, "regctl.json"))
			if !s.https() {
				for _, host := range s.hosts() {
					if err := p.do(ctx, "", "registry", "set", "--tls", "disabled", "--skip-check", host); err != nil {
						return nil, err
					}
				}
			}
			artifact := func(ctx context.Context, args ...string) error {
				file, err := artifactFile(home, "artifact for "+args[len(args)-1])
				if err != nil {
					return err
				}
				return p.do(ctx, "", append([]string{"artifact", "put", "--artifact-type", artifactType, "--file", file}, args...)...)
			}
			return &session{
				home: home, config: config,
				login: func(ctx context.Context, host, username, password string) error {
					return p.do(ctx, password, "registry", "login", host, "--user", username, "--pass-stdin")
				},
				logout: func(ctx context.Context, host string) error { return p.do(ctx, "", "registry", "logout", host) },
				push: func(ctx context.Context, ref string, size int64) error {
					image, err := newLayout(home, ref, size)
					if err != nil {
						return err
					}
					return p.do(ctx, "", "image", "copy", "ocidir://"+image+":"+latest, ref)
				},
				pull: func(ctx context.Context, ref string) error {
					return p.do(ctx, "", "image", "copy", ref, "ocidir://"+filepath.Join(home, "pulled")+":"+latest)
				},
				mount: func(ctx context.Context, from, to string) error { return p.do(ctx, "", "image", "copy", from, to) },
				remove: func(ctx context.Context, ref, _ string) error {
					return p.do(ctx, "", "manifest", "delete", "--force-tag-dereference", ref)
				},
				catalog: func(ctx context.Context, host string) (string, error) {
					return p.run(ctx, "", "repo", "ls", "--limit", "1000", host)
				},
				tags: func(ctx context.Context, repository string) (string, error) {
					return p.run(ctx, "", "tag", "ls", repository)
				},
				pushIndex: func(ctx context.Context, ref string) error {
					index, err := newIndex(home, ref)
					if err != nil {
						return err
					}
					return p.do(ctx, "", "image", "copy", "ocidir://"+index+":"+latest, ref)
				},
				pullIndex: func(ctx context.Context, ref string) error {
					return p.do(ctx, "", "image", "copy", ref, "ocidir://"+filepath.Join(home, "index")+":"+latest)
				},
				pushArtifact: func(ctx context.Context, ref string) error { return artifact(ctx, ref) },
				pullArtifact: func(ctx context.Context, ref string) error { return p.do(ctx, "", "artifact", "get", ref) },
				attach:       func(ctx context.Context, ref string) error { return artifact(ctx, "--subject", ref) },
				referrers: func(ctx context.Context, ref string) (string, error) {
					return p.run(ctx, "", "artifact", "list", ref, "--format", "{{json .}}")
				},
			}, nil
		},
	}
}
