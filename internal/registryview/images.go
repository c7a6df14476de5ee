package registryview

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

// Contents that are remembered never change: they are named by their digest.
const (
	maxManifests = 1000
	maxConfigs   = 1000
	// maxRemembered is how large what is remembered may be in memory, in bytes: who
	// may push must not fill it.
	maxRemembered = 32 << 10
)

// contentKey names a content where it was found: who may pull from one repository
// need not from another.
type contentKey struct {
	repository string
	digest     registryclient.Digest
}

// images are manifests and configurations that were fetched.
type images struct {
	manifests *lru.Cache[contentKey, *registryclient.Manifest]
	configs   *lru.Cache[contentKey, *registryclient.ImageConfig]
}

func newImages() *images {
	manifests, err := lru.New[contentKey, *registryclient.Manifest](maxManifests)
	if err != nil {
		panic(err) // the sizes are positive
	}
	configs, err := lru.New[contentKey, *registryclient.ImageConfig](maxConfigs)
	if err != nil {
		panic(err)
	}
	return &images{manifests, configs}
}

// manifest reads a manifest, or remembers it. The registry was asked for its digest
// with a token of the viewer before.
func (r *Registry) manifest(ctx context.Context, v Viewer, repository string, digest registryclient.Digest) (*registryclient.Manifest, error) {
	key := contentKey{repository, digest}
	if m, known := r.images.manifests.Get(key); known && v.mayPull(repository) {
		return m, nil
	}
	m, err := ask(ctx, r, v, repository, access.Pull, func(bearer string) (*registryclient.Manifest, error) {
		return r.client.Manifest(ctx, bearer, repository, digest)
	})
	if err != nil {
		return nil, err
	}
	if m.Weight() <= maxRemembered {
		r.images.manifests.Add(key, m)
	}
	return m, nil
}

// config reads the configuration of an image, or remembers it.
func (r *Registry) config(ctx context.Context, v Viewer, repository string, digest registryclient.Digest) (*registryclient.ImageConfig, error) {
	key := contentKey{repository, digest}
	if c, known := r.images.configs.Get(key); known && v.mayPull(repository) {
		return c, nil
	}
	c, err := ask(ctx, r, v, repository, access.Pull, func(bearer string) (*registryclient.ImageConfig, error) {
		return r.client.Config(ctx, bearer, repository, digest)
	})
	if err != nil {
		return nil, err
	}
	if c.Weight() <= maxRemembered {
		r.images.configs.Add(key, c)
	}
	return c, nil
}

// forget drops a manifest that was deleted.
func (i *images) forget(repository string, digest registryclient.Digest) {
	i.manifests.Remove(contentKey{repository, digest})
}
