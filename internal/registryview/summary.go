package registryview

import (
	"context"
	"errors"

	"github.com/dockit-registry/dockit/internal/registryclient"
)

// annotationCreated is when an image was made.
const annotationCreated = "org.opencontainers.image.created"

// Summary is what a list shows of an image.
type Summary struct {
	// Created is when it was made, as it says itself; zero when it says nothing.
	Created registryclient.Time
	// Platforms are what it runs on.
	Platforms []string
	// Size is what pulling it for one platform takes, in bytes; 0 when it has several.
	Size registryclient.Size
}

// summary reads what a list shows of an image: its manifest and its configuration,
// of an index those of one of its images.
func (r *Registry) summary(ctx context.Context, v Viewer, repository string, digest registryclient.Digest) (Summary, error) {
	m, err := r.manifest(ctx, v, repository, digest)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Created: registryclient.ParseTime(m.Annotations.Get(annotationCreated))}
	if !m.IsIndex() {
		s.Size = total(m)
		return s, r.dated(ctx, v, repository, m, &s)
	}
	var first *registryclient.Descriptor
	for i, one := range m.Manifests {
		if attests(one) || one.Platform == nil {
			continue
		}
		s.Platforms = append(s.Platforms, one.Platform.String())
		if first == nil && one.Digest != "" {
			first = &m.Manifests[i]
		}
	}
	if !s.Created.IsZero() || first == nil {
		return s, nil
	}
	of, err := r.manifest(ctx, v, repository, first.Digest)
	if errors.Is(err, registryclient.ErrNotFound) {
		return s, nil // an index may list what was never copied
	}
	if err != nil {
		return s, err
	}
	return s, r.dated(ctx, v, repository, of, &s)
}

// dated adds what the configuration of an image says.
func (r *Registry) dated(ctx context.Context, v Viewer, repository string, m *registryclient.Manifest, s *Summary) error {
	if s.Created.IsZero() {
		s.Created = registryclient.ParseTime(m.Annotations.Get(annotationCreated))
	}
	if !isImage(m) || !s.Created.IsZero() && len(s.Platforms) > 0 {
		return nil
	}
	c, err := r.config(ctx, v, repository, m.Config.Digest)
	if err != nil {
		return err
	}
	if s.Created.IsZero() {
		s.Created = c.Created
	}
	if platform := c.Platform.String(); len(s.Platforms) == 0 && platform != "" {
		s.Platforms = []string{platform}
	}
	return nil
}

// isImage reports whether a manifest has the configuration of an image to run.
func isImage(m *registryclient.Manifest) bool {
	switch m.Config.MediaType {
	case "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json":
		return m.Config.Digest != ""
	default:
		return false
	}
}

// total is what pulling an image takes.
func total(m *registryclient.Manifest) registryclient.Size {
	sum := m.Size + m.Config.Size
	for _, layer := range m.Layers {
		sum += layer.Size
	}
	return sum
}
