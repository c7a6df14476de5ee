package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// inRoot runs kaniko in a root of its own, because it takes the whole of it for the image that it builds. What is mounted there goes
// with the command.
const inRoot = `root=$1 kaniko=$2; shift 2
mount --bind "$kaniko" "$root/kaniko/executor" && mount -t proc none "$root/proc" && exec chroot "$root" /kaniko/executor "$@"`

// kanikoClient builds images without an engine. It reads docker's configuration, and has no login.
func kanikoClient(path string) *client {
	return &client{
		id: "kaniko",
		cannot: map[ability]string{
			canLogout:    "stores no logins",
			canPushAgain: "reads the source while it copies",
			canDelete:    "has no command to delete at a registry",
			canCatalog:   "has no command for the catalog",
			canTags:      "has no command for tags",
			canIndex:     "builds for one platform at a time",
			canArtifact:  "pushes images",
			canReferrers: "has no command for referrers",
		},
		open: func(_ context.Context, s *site, home string) (*session, error) {
			k := kaniko{root: filepath.Join(home, "root"), program: newProgram("kaniko", home, s)}
			k.through = []string{"unshare", "--mount", "sh", "-c", inRoot, "sh", k.root}
			k.path = path
			k.env = []string{"HOME=/root", "DOCKER_CONFIG=/kaniko/.docker"}
			k.after = []string{"--force", "--context", "dir:///workspace", "--log-format", "text"}
			if s.https() {
				k.env = append(k.env, "SSL_CERT_FILE=/authority.pem")
			} else {
				k.after = append(k.after, "--insecure", "--insecure-pull")
			}
			k.after = append(k.after, "--verbosity", "error") // the last one, which cached changes
			if err := k.prepare(s); err != nil {
				return nil, err
			}
			config := filepath.Join(k.root, "kaniko", ".docker", "config.json")
			logins := map[string]map[string]string{}
			return &session{
				home: home, config: config, trusting: true,
				login: func(_ context.Context, host, username, password string) error {
					logins[host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(username + ":" + password))}
					content, err := json.Marshal(map[string]any{"auths": logins})
					return errors.Join(err, os.WriteFile(config, content, 0o600))
				},
				push: func(ctx context.Context, ref string, size int64) error {
					layer, err := newLayer(filepath.Join(k.root, "workspace", "layer"), size)
					if err != nil {
						return err
					}
					defer os.Remove(layer.path)
					return k.build(ctx, "FROM scratch\nCOPY layer /layer\n", "--destination", ref)
				},
				pull: func(ctx context.Context, ref string) error {
					return k.build(ctx, "FROM "+ref+"\n", "--no-push", "--tar-path", "/workspace/pulled.tar")
				},
				mount: func(ctx context.Context, from, to string) error {
					return k.build(ctx, "FROM "+from+"\n", "--destination", to)
				},
				exportCache: func(ctx context.Context, ref string) error { return k.cached(ctx, ref, "") },
				importCache: func(ctx context.Context, ref string) error { return k.cached(ctx, ref, "Using caching version of cmd") },
			}, nil
		},
	}
}

// kaniko is one in a root of its own.
type kaniko struct {
	program
	root string
}

// prepare makes the root.
func (k kaniko) prepare(s *site) error {
	var all error
	for _, folder := range []string{"proc", "etc", "tmp", "root", "workspace", "kaniko/.docker"} {
		all = errors.Join(all, os.MkdirAll(filepath.Join(k.root, folder), 0o700))
	}
	all = errors.Join(all, os.WriteFile(filepath.Join(k.root, "kaniko", "executor"), nil, 0o600)) // to be mounted on
	copies := map[string]string{"etc/hosts": "/etc/hosts"}
	if s.https() {
		copies["authority.pem"] = s.dockit.RootCA()
	}
	for to, from := range copies {
		content, err := os.ReadFile(from)
		all = errors.Join(all, err, os.WriteFile(filepath.Join(k.root, to), content, 0o600)) //nolint:gosec // the names are constants
	}
	return all
}

func (k kaniko) build(ctx context.Context, dockerfile string, args ...string) error {
	_, err := k.built(ctx, dockerfile, args...)
	return err
}

func (k kaniko) built(ctx context.Context, dockerfile string, args ...string) (string, error) {
	if err := os.WriteFile(filepath.Join(k.root, "workspace", "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return "", err
	}
	return k.run(ctx, "", args...)
}

// cached builds with a cache at a registry, and looks whether what it says has a text.
func (k kaniko) cached(ctx context.Context, ref, says string) error {
	if err := os.WriteFile(filepath.Join(k.root, "workspace", "layer"), []byte("always the same"), 0o600); err != nil {
		return err
	}
	log := k
	log.after = append(log.after[:len(log.after)-1:len(log.after)-1], "info")
	log.through = append([]string{"sh", "-c", `exec "$@" 2>&1`, "sh"}, log.through...)
	out, err := log.built(ctx, "FROM scratch\nCOPY layer /layer\n", "--no-push", "--cache", "--cache-copy-layers", "--cache-repo", strings.TrimSuffix(ref, ":"+latest))
	if err == nil && !strings.Contains(out, says) {
		err = fmt.Errorf("it did not find what it left: … %s", out[max(0, len(out)-400):])
	}
	return err
}
