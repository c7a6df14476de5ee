package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// criClient pulls as the kubelet has containerd pull: by the Container Runtime Interface, with a login beside each pull. A library
// pushes what it pulls.
func criClient(containerd string) *client {
	return &client{
		id: "containerd-cri", pulls: "the kubelet pulls alone",
		cannot: map[ability]string{
			canLogout:   "is given a login with each pull",
			canRefresh:  "reads no configuration of docker",
			canTags:     "pulls images",
			canIndex:    "pulls what is for its machine",
			canArtifact: "pulls images",
		},
		open: func(ctx context.Context, s *site, home string) (*session, error) {
			images, err := s.containerd.get(ctx, s, containerd)
			if err != nil {
				return nil, err
			}
			var who *cri.AuthConfig
			return &session{
				home: home, trusting: true,
				login: func(_ context.Context, _, username, password string) error {
					who = &cri.AuthConfig{Username: username, Password: password}
					return nil
				},
				push: func(ctx context.Context, ref string, size int64) error {
					return pushByLibrary(ctx, s, home, ref, size, who)
				},
				pull: func(ctx context.Context, ref string) error {
					image := &cri.ImageSpec{Image: ref}
					_, _ = images.RemoveImage(ctx, &cri.RemoveImageRequest{Image: image}) // if it is there
					_, err := images.PullImage(ctx, &cri.PullImageRequest{Image: image, Auth: who})
					if said, ok := status.FromError(err); err != nil && ok && ctx.Err() == nil {
						return &exitError{"PullImage", int(said.Code()), said.Message()}
					}
					return err
				},
			}, nil
		},
	}
}

// pushByLibrary pushes a new image.
func pushByLibrary(ctx context.Context, s *site, folder, ref string, size int64, who *cri.AuthConfig) error {
	made, err := newLayout(folder, ref, size)
	if err != nil {
		return err
	}
	index, err := layout.ImageIndexFromPath(made)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	to, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: who.GetUsername(), Password: who.GetPassword()})}
	if s.https() {
		options = append(options, remote.WithTransport(s.dockit.Transport()))
	}
	return remote.Write(to, image, options...)
}

// lazyContainerd is a containerd with its CRI plugin, which is started when somebody asks for it.
type lazyContainerd struct {
	once    sync.Once
	process *process.Process
	conn    *grpc.ClientConn
	folder  string
	err     error
}

// get is the image service of a containerd that trusts the authority of the site.
func (l *lazyContainerd) get(ctx context.Context, s *site, path string) (cri.ImageServiceClient, error) {
	l.once.Do(func() {
		if l.err = l.start(ctx, s, path); l.err != nil {
			l.err = fmt.Errorf("start a containerd: %w", l.err)
		}
	})
	if l.err != nil {
		return nil, l.err
	}
	return cri.NewImageServiceClient(l.conn), nil
}

func (l *lazyContainerd) start(ctx context.Context, s *site, path string) (err error) {
	ctx = context.WithoutCancel(ctx)                                    // it is that of one trial, and the containerd of all
	if l.folder, err = os.MkdirTemp(s.programs.short, ""); err != nil { // sockets have short paths
		return err
	}
	in := func(name string) string { return filepath.Join(l.folder, name) }
	hosts := in("hosts")
	if s.https() {
		if hosts, err = secureHosts(l.folder, s); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
address = %q
[plugins."io.containerd.internal.v1.opt"]
path = %q
[plugins."io.containerd.grpc.v1.cri"]
disable_tcp_service = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = %q
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
`, in("root"), in("state"), in("sock"), in("opt"), hosts, in("cni"), in("cni"))
	if err := os.WriteFile(in("config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	if l.process, err = process.Start(process.Command{
		Name: "containerd", Path: path, Dir: l.folder, Env: append(dockit.Environment(l.folder), besideIn("PATH", path)),
		Args: []string{"--config", in("config.toml"), "--log-level", "warn"},
	}); err != nil {
		return err
	}
	if l.conn, err = grpc.NewClient("unix://"+in("sock"), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	go func() {
		select {
		case <-l.process.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err = cri.NewImageServiceClient(l.conn).ListImages(ctx, &cri.ListImagesRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("%w: %s", err, l.process.Output())
	}
	return nil
}

func (l *lazyContainerd) stop() (all error) {
	if l.conn != nil {
		all = l.conn.Close()
	}
	if l.process != nil {
		all = errors.Join(all, l.process.Stop())
	}
	if l.folder != "" {
		all = errors.Join(all, os.RemoveAll(l.folder))
	}
	return all
}
