package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dockit-registry/dockit/e2e/internal/engine"
)

// dockerClient is the docker command with its engine. A helper, where there is one, keeps its logins.
func dockerClient(id, path string, helper *credentialHelper) *client {
	return &client{
		id: id,
		cannot: map[ability]string{
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
			canCache:     "has no build cache at a registry, in this version",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			e, err := s.engine.get(ctx, s)
			if err != nil {
				return nil, err
			}
			p := newProgram(path, home, s)
			p.before = []string{"-H", e.Host()}
			if helper != nil {
				if err := helper.prepare(ctx, s, &p); err != nil {
					return nil, fmt.Errorf("prepare %s: %w", helper.name, err)
				}
			}
			push := func(ctx context.Context, ref string, size int64, platform int) error {
				file, err := newArchive(home, ref, size, platforms[platform])
				if err != nil {
					return err
				}
				if err := p.do(ctx, "", "load", "--input", file); err != nil {
					return err
				}
				return p.do(ctx, "", "push", ref)
			}
			// The engine knows where it pushed a layer.
			pushAgain := func(ctx context.Context, from, to string) error {
				if err := p.do(ctx, "", "tag", from, to); err != nil {
					return err
				}
				return p.do(ctx, "", "push", to)
			}
			session := &session{
				home: home, config: filepath.Join(home, "docker", "config.json"),
				login: func(ctx context.Context, host, username, password string) error {
					return p.do(ctx, password, "login", host, "--username", username, "--password-stdin")
				},
				logout: func(ctx context.Context, host string) error { return p.do(ctx, "", "logout", host) },
				push:   func(ctx context.Context, ref string, size int64) error { return push(ctx, ref, size, 0) },
				pull: func(ctx context.Context, ref string) error {
					_ = p.do(ctx, "", "rmi", "--force", ref) // what is there is not pulled
					return p.do(ctx, "", "pull", ref)
				},
				mount:     pushAgain,
				pushAgain: pushAgain,
				pushIndex: func(ctx context.Context, ref string) error {
					if s.https() {
						return &missingError{"docker manifest speaks no TLS to localhost"}
					}
					repository := strings.TrimSuffix(ref, ":"+latest)
					create := []string{"manifest", "create", "--insecure", ref}
					for i, platform := range platforms {
						image := fmt.Sprintf("%s:%s", repository, platform.Architecture)
						if err := push(ctx, image, 512, i); err != nil {
							return err
						}
						create = append(create, image)
					}
					if err := p.do(ctx, "", create...); err != nil {
						return err
					}
					return p.do(ctx, "", "manifest", "push", "--insecure", ref)
				},
			}
			if helper != nil {
				return session, helper.keepLogins(p, session)
			}
			return session, nil
		},
	}
}

// ctrClient is containerd's command, with the containerd of a docker engine. It stores no logins.
func ctrClient(path string) *client {
	return &client{
		id: "ctr",
		cannot: map[ability]string{
			canLogout:    "stores no logins",
			canRefresh:   "reads no configuration of docker",
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
			canCache:     "builds nothing",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			e, err := s.engine.get(ctx, s)
			if err != nil {
				return nil, err
			}
			p := newProgram(path, home, s)
			p.before = []string{"--address", e.Containerd(), "--namespace", "interop"}
			var who []string
			how := []string{"--plain-http"}
			if s.https() {
				hosts, err := secureHosts(home, s)
				if err != nil {
					return nil, err
				}
				how = []string{"--hosts-dir", hosts}
			}
			registry := func(command ...string) []string { return append(append(command, how...), who...) }
			push := func(ctx context.Context, ref, layout string) error {
				file, err := pack(layout)
				if err != nil {
					return err
				}
				if err := p.do(ctx, "", "images", "import", "--no-unpack", "--all-platforms", file); err != nil {
					return err
				}
				return p.do(ctx, "", append(registry("images", "push"), ref)...)
			}
			pull := func(ctx context.Context, ref string, more ...string) error {
				_ = p.do(ctx, "", "images", "rm", "--sync", ref) // if it is there
				return p.do(ctx, "", append(append(registry("images", "pull"), "--snapshotter", "native"), append(more, ref)...)...)
			}
			pushAgain := func(ctx context.Context, from, to string) error {
				if err := p.do(ctx, "", "images", "tag", from, to); err != nil {
					return err
				}
				return p.do(ctx, "", append(registry("images", "push"), to)...)
			}
			return &session{
				home: home, trusting: true,
				login: func(_ context.Context, _, username, password string) error {
					who = []string{"--user", username + ":" + password}
					return nil
				},
				push: func(ctx context.Context, ref string, size int64) error {
					image, err := newLayout(home, ref, size)
					if err != nil {
						return err
					}
					return push(ctx, ref, image)
				},
				pull: func(ctx context.Context, ref string) error { return pull(ctx, ref) },
				mount: func(ctx context.Context, from, to string) error {
					if err := pull(ctx, from); err != nil {
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
					return push(ctx, ref, index)
				},
				pullIndex: func(ctx context.Context, ref string) error { return pull(ctx, ref, "--all-platforms") },
			}, nil
		},
	}
}

// secureHosts is a folder that has containerd's programs speak TLS to the hosts of a site, which they would not on localhost.
func secureHosts(home string, s *site) (string, error) {
	folder := filepath.Join(home, "hosts")
	for _, host := range s.hosts() {
		content := fmt.Sprintf("server = \"https://%[1]s\"\n[host.\"https://%[1]s\"]\ncapabilities = [\"pull\", \"resolve\", \"push\"]\nca = %[2]q\n", host, s.dockit.RootCA())
		if err := errors.Join(os.MkdirAll(filepath.Join(folder, host), 0o700), os.WriteFile(filepath.Join(folder, host, "hosts.toml"), []byte(content), 0o600)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// lazyEngine is the docker engine of a site, which is started when somebody asks for it.
type lazyEngine struct {
	once    sync.Once
	running *engine.Engine
	err     error
}

// get is the engine, which trusts the authority of the site.
func (l *lazyEngine) get(ctx context.Context, s *site) (*engine.Engine, error) {
	l.once.Do(func() {
		if l.running, l.err = engine.Start(context.WithoutCancel(ctx), s.programs.paths["dockerd"], s.programs.paths["docker"], s.trust()...); l.err != nil {
			l.err = fmt.Errorf("start a docker engine: %w", l.err)
		}
	})
	return l.running, l.err
}

func (l *lazyEngine) stop() error {
	if l.running == nil {
		return nil
	}
	return l.running.Stop()
}
