package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/dockit-registry/dockit/e2e/internal/buildkit"
)

// buildkitClient is buildctl with a daemon. It reads docker's configuration, and has no login.
func buildkitClient(buildctl, buildkitd string) *client {
	return &client{
		id: "buildkit",
		cannot: map[ability]string{
			canLogout:    "stores no logins",
			canPushAgain: "reads the source while it copies",
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			address, err := s.buildkits.get(ctx, s, buildkitd)
			if err != nil {
				return nil, err
			}
			p := newProgram(buildctl, home, s)
			p.before = []string{"--addr", address}
			workspace := filepath.Join(home, "workspace")
			config, err := p.in("docker", "config.json")
			if err != nil {
				return nil, err
			}
			logins := map[string]map[string]string{}
			build := func(ctx context.Context, p program, dockerfile string, args ...string) (string, error) {
				if err := errors.Join(os.MkdirAll(workspace, 0o700), os.WriteFile(filepath.Join(workspace, "Dockerfile"), []byte(dockerfile), 0o600)); err != nil {
					return "", err
				}
				return p.run(ctx, "", append([]string{
					"build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local", "context=" + workspace, "--local", "dockerfile=" + workspace,
				}, args...)...)
			}
			to := func(ref string) string { return "type=image,push=true,name=" + ref }
			copied := "FROM scratch\nCOPY layer /layer\n"
			content := func(size int64) error {
				_, err := newLayer(filepath.Join(workspace, "layer"), size)
				return err
			}
			push := func(ctx context.Context, ref string, size int64, options ...string) error {
				err := errors.Join(os.MkdirAll(workspace, 0o700), content(size))
				if err == nil {
					_, err = build(ctx, p, copied, append([]string{"--output", to(ref)}, options...)...)
				}
				return err
			}
			// What it says goes to the standard error.
			aloud := p
			aloud.through = []string{"sh", "-c", `exec "$@" 2>&1`, "sh"}
			return &session{
				home: home, config: config, trusting: true,
				login: func(_ context.Context, host, username, password string) error {
					logins[host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(username + ":" + password))}
					content, err := json.Marshal(map[string]any{"auths": logins})
					return errors.Join(err, os.WriteFile(config, content, 0o600))
				},
				push: func(ctx context.Context, ref string, size int64) error { return push(ctx, ref, size) },
				pull: func(ctx context.Context, ref string) error {
					_, err := build(ctx, p, "FROM "+ref+"\n", "--no-cache", "--output", "type=oci,dest="+filepath.Join(home, "pulled.tar"))
					return err
				},
				mount: func(ctx context.Context, from, target string) error {
					_, err := build(ctx, p, "FROM "+from+"\n", "--output", to(target))
					return err
				},
				pushIndex: func(ctx context.Context, ref string) error {
					return push(ctx, ref, small, "--opt", "platform=linux/amd64,linux/arm64")
				},
				exportCache: func(ctx context.Context, ref string) error {
					err := errors.Join(os.MkdirAll(workspace, 0o700), content(small))
					if err == nil {
						_, err = build(ctx, p, copied, "--export-cache", "type=registry,mode=max,ref="+ref)
					}
					return err
				},
				importCache: func(ctx context.Context, ref string) error {
					if err := p.do(ctx, "", "prune", "--all"); err != nil {
						return err
					}
					out, err := build(ctx, aloud, copied, "--import-cache", "type=registry,ref="+ref, "--output", "type=oci,dest="+filepath.Join(home, "cached.tar"))
					if err == nil && !fromCache.MatchString(out) {
						err = fmt.Errorf("it did not find what it left: … %s", out[max(0, len(out)-400):])
					}
					return err
				},
			}, nil
		},
	}
}

// fromCache is how BuildKit says of a step that it did not take it: at once, or by the layer that it gets instead.
var fromCache = regexp.MustCompile(`CACHED|#\d+ sha256:[0-9a-f]{64} \S+ / \S+`)

// lazyBuildkits are the daemons of a site, one for each host of a registry, which are started when somebody asks for them.
type lazyBuildkits struct {
	mu      sync.Mutex
	running map[string]*buildkit.Daemon
}

// get is the address of a daemon that trusts the authority of the site.
func (l *lazyBuildkits) get(ctx context.Context, s *site, path string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.running[s.host]; d != nil {
		return d.Address(), nil
	}
	folder, err := os.MkdirTemp(s.programs.short, "") // sockets have short paths
	if err != nil {
		return "", err
	}
	registries := map[string]string{}
	for _, host := range s.hosts() {
		registries[host] = ""
		if s.https() {
			registries[host] = s.dockit.RootCA()
		}
	}
	d, err := buildkit.Start(ctx, buildkit.Config{Path: path, Folder: folder, Registries: registries})
	if err != nil {
		return "", fmt.Errorf("start a BuildKit: %w", err)
	}
	if l.running == nil {
		l.running = map[string]*buildkit.Daemon{}
	}
	l.running[s.host] = d
	return d.Address(), nil
}

func (l *lazyBuildkits) stop() (all error) {
	for _, d := range l.running {
		all = errors.Join(all, d.Stop())
	}
	return all
}
