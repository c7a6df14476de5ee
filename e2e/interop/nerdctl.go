package main

import (
	"context"
	"path/filepath"
)

// nerdctlClient is containerd's docker command, with the containerd of a docker engine.
func nerdctlClient(path string) *client {
	return &client{
		id: "nerdctl",
		cannot: map[ability]string{
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
			canCache:     "builds by BuildKit's command",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			e, err := s.engine.get(ctx, s)
			if err != nil {
				return nil, err
			}
			p := newProgram(path, home, s)
			in := func(name string) string { return filepath.Join(home, name) }
			p.before = []string{
				"--address", e.Containerd(), "--namespace", "nerdctl", "--snapshotter", "native", "--data-root", in("nerdctl"), "--cni-netconfpath", in("cni"),
			}
			if s.https() {
				hosts, err := secureHosts(home, s)
				if err != nil {
					return nil, err
				}
				p.before = append(p.before, "--hosts-dir", hosts)
			} else {
				p.before = append(p.before, "--insecure-registry")
			}
			push := func(ctx context.Context, ref, layout string, options ...string) error {
				file, err := pack(layout)
				if err != nil {
					return err
				}
				if err := p.do(ctx, "", append([]string{"load", "--input", file}, options...)...); err != nil {
					return err
				}
				return p.do(ctx, "", append(append([]string{"push"}, options...), ref)...)
			}
			pull := func(ctx context.Context, ref string, options ...string) error {
				_ = p.do(ctx, "", "rmi", "--force", ref) // if it is there
				return p.do(ctx, "", append(append([]string{"pull", "--quiet"}, options...), ref)...)
			}
			pushAgain := func(ctx context.Context, from, to string) error {
				if err := p.do(ctx, "", "tag", from, to); err != nil {
					return err
				}
				return p.do(ctx, "", "push", to)
			}
			return &session{
				home: home, config: filepath.Join(home, "docker", "config.json"),
				login: func(ctx context.Context, host, username, password string) error {
					return p.do(ctx, password, "login", host, "--username", username, "--password-stdin")
				},
				logout: func(ctx context.Context, host string) error { return p.do(ctx, "", "logout", host) },
				push: func(ctx context.Context, ref string, size int64) error {
					image, err := newLayout(home, ref, size)
					if err != nil {
						return err
					}
					return push(ctx, ref, image)
				},
				pull: func(ctx context.Context, ref string) error { return pull(ctx, ref) },
				mount: func(ctx context.Context, from, to string) error {
					if err := pull(ctx, from); err != nil { // or it knows of no other repository that has the layer
						return err
					}
					return pushAgain(ctx, from, to)
				},
				pushAgain: pushAgain,
				pushIndex: func(ctx context.Context, ref string) error {
					index, err := newIndex(home, ref)
					if err != nil {
						return err
					}
					return push(ctx, ref, index, "--all-platforms")
				},
				pullIndex: func(ctx context.Context, ref string) error { return pull(ctx, ref, "--all-platforms") },
			}, nil
		},
	}
}
