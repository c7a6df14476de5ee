package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// containersPolicy has the programs of the containers project take what is not signed, as Debian's packages do.
const containersPolicy = `{"default":[{"type":"insecureAcceptAnything"}]}`

// containersSession prepares the home folder of skopeo, podman or buildah, and returns what they have in common.
func containersSession(p program, s *site) (*session, error) {
	policy, err := p.in(".config", "containers", "policy.json")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(policy, []byte(containersPolicy), 0o600); err != nil {
		return nil, err
	}
	if _, err := p.in("tmp", "any"); err != nil {
		return nil, err
	}
	config, err := p.in("docker", "config.json")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	verify := "--tls-verify=" + boolean(s.https())
	return &session{
		home: p.home, config: config,
		login: func(ctx context.Context, host, username, password string) error {
			return p.do(ctx, password, "login", "--authfile", config, verify, "--username", username, "--password-stdin", host)
		},
		logout: func(ctx context.Context, host string) error {
			return p.do(ctx, "", "logout", "--authfile", config, host)
		},
	}, nil
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// skopeoClient copies images from place to place.
func skopeoClient(path string) *client {
	return &client{
		id: "skopeo",
		cannot: map[ability]string{
			canPushAgain: "reads the source while it copies",
			canCatalog:   "has no command for the catalog",
			canArtifact:  "copies images",
			canReferrers: "has no command for referrers",
			canCache:     "builds nothing",
		},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			p := newProgram(path, home, s)
			p.before = []string{"--policy", filepath.Join(home, ".config", "containers", "policy.json"), "--tmpdir", filepath.Join(home, "tmp")}
			session, err := containersSession(p, s)
			if err != nil {
				return nil, err
			}
			secure := boolean(s.https())
			auth, from, to := "--authfile="+session.config, "--src-tls-verify="+secure, "--dest-tls-verify="+secure
			session.push = func(ctx context.Context, ref string, size int64) error {
				image, err := newLayout(home, ref, size)
				if err != nil {
					return err
				}
				return p.do(ctx, "", "copy", auth, to, "oci:"+image+":"+latest, "docker://"+ref)
			}
			session.pull = func(ctx context.Context, ref string) error {
				return p.do(ctx, "", "copy", auth, from, "docker://"+ref, "dir:"+filepath.Join(home, "pulled"))
			}
			session.mount = func(ctx context.Context, source, target string) error {
				return p.do(ctx, "", "copy", auth, from, to, "docker://"+source, "docker://"+target)
			}
			session.remove = func(ctx context.Context, ref, _ string) error {
				return p.do(ctx, "", "delete", auth, "--tls-verify="+secure, "docker://"+ref)
			}
			session.tags = func(ctx context.Context, repository string) (string, error) {
				return p.run(ctx, "", "list-tags", auth, "--tls-verify="+secure, "docker://"+repository)
			}
			session.pushIndex = func(ctx context.Context, ref string) error {
				index, err := newIndex(home, ref)
				if err != nil {
					return err
				}
				return p.do(ctx, "", "copy", "--all", auth, to, "oci:"+index+":"+latest, "docker://"+ref)
			}
			session.pullIndex = func(ctx context.Context, ref string) error {
				return p.do(ctx, "", "copy", "--all", auth, from, "docker://"+ref, "dir:"+filepath.Join(home, "index"))
			}
			return session, nil
		},
	}
}

// podmanClient keeps images in a storage of its own and runs no container.
func podmanClient(path, folder string) *client {
	return storageClient("podman", path,
		"--runtime", filepath.Join(folder, "runc"), "--conmon", filepath.Join(folder, "conmon"), "--cgroup-manager", "cgroupfs", "--events-backend", "file")
}

// buildahClient does the same without the means to run any.
func buildahClient(path string) *client { return storageClient("buildah", path) }

// storageClient is podman or buildah, whose commands for images are the same.
func storageClient(id, path string, options ...string) *client {
	return &client{
		id: id,
		cannot: map[ability]string{
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canArtifact:  "pushes images, in this version",
			canReferrers: "has no command for referrers",
			canCache:     "has no build cache at a registry, in this version",
		},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			p := newProgram(path, home, s)
			// podman takes no long path for it.
			run, err := os.MkdirTemp(s.programs.short, "")
			if err != nil {
				return nil, err
			}
			p.before = append([]string{"--root", filepath.Join(home, "storage"), "--runroot", run, "--storage-driver", "vfs"}, options...)
			p.env = append(p.env, "TMPDIR="+filepath.Join(home, "tmp"))
			session, err := containersSession(p, s)
			if err != nil {
				return nil, err
			}
			secure := []string{"--authfile", session.config, "--tls-verify=" + boolean(s.https())}
			do := func(ctx context.Context, command []string, args ...string) error {
				return p.do(ctx, "", append(append(command, secure...), args...)...)
			}
			load := func(ctx context.Context, ref string, size int64) error {
				image, err := newLayout(home, ref, size)
				if err != nil {
					return err
				}
				out, err := p.run(ctx, "", "pull", "--quiet", "oci:"+image+":"+latest)
				if err != nil {
					return err
				}
				return p.do(ctx, "", "tag", strings.TrimSpace(out), ref)
			}
			session.push = func(ctx context.Context, ref string, size int64) error {
				if err := load(ctx, ref, size); err != nil {
					return err
				}
				return do(ctx, []string{"push"}, ref)
			}
			session.pull = func(ctx context.Context, ref string) error {
				_ = p.do(ctx, "", "rmi", "--force", ref) // if it is there
				return do(ctx, []string{"pull"}, ref)
			}
			session.pushAgain = func(ctx context.Context, from, to string) error {
				if err := p.do(ctx, "", "tag", from, to); err != nil {
					return err
				}
				return do(ctx, []string{"push"}, to)
			}
			session.mount = session.pushAgain
			session.pushIndex = func(ctx context.Context, ref string) error {
				index, err := newIndex(home, ref)
				if err != nil {
					return err
				}
				if err := p.do(ctx, "", "manifest", "create", "--all", ref, "oci:"+index+":"+latest); err != nil {
					return err
				}
				return do(ctx, []string{"manifest", "push", "--all"}, ref, "docker://"+ref)
			}
			return session, nil
		},
	}
}
