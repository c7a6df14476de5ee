package registryview

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

// maxChildren is how many images of an index are looked into.
const maxChildren = 50

// Image is what one tag or digest stands for.
type Image struct {
	Summary
	// Tag is empty when it was asked for by its digest.
	Tag      string
	Digest   registryclient.Digest
	Manifest *registryclient.Manifest
	// Config is nil for an index, for what is no image to run, and when it could not
	// be read.
	Config *registryclient.ImageConfig
	// Images are those of an index.
	Images []Child
	// Belonging are what belongs to it: signatures and the like. Nothing here
	// verifies one.
	Belonging []Artifact
	// BelongingCut is set when there are more.
	BelongingCut bool
	// Missing is what could not be read.
	Missing []Missing
}

// Missing is something that could not be read, and why.
type Missing struct {
	What string
	Err  error
}

// Child is an image of an index.
type Child struct {
	registryclient.Descriptor
	// Total is what pulling it takes, in bytes; 0 when that is not known.
	Total registryclient.Size
}

// Name is what it runs on, or what else is known of it.
func (c Child) Name() string {
	if c.Platform != nil && c.Platform.String() != "" {
		return c.Platform.String()
	}
	return string(c.MediaType)
}

// Artifact is something that belongs to an image.
type Artifact struct {
	registryclient.Descriptor
	Kind Kind
	// Tag is where clients keep it, empty when the registry lists it itself.
	Tag string
	// Of is what it attests to in an index, empty elsewhere.
	Of registryclient.Digest
}

// Image reads what a tag or a digest stands for. Errors: [ErrNotAllowed],
// [ErrInvalidReference], and those of [registryclient].
func (r *Registry) Image(ctx context.Context, v Viewer, repository, reference string) (*Image, error) {
	if !v.mayPull(repository) {
		return nil, fmt.Errorf("%w: %s %s", ErrNotAllowed, access.Pull, repository)
	}
	i := new(Image)
	if _, ok := registryclient.ParseDigest(reference); !ok {
		if !registryclient.IsTag(reference) {
			return nil, fmt.Errorf("%w: %q", ErrInvalidReference, printable.Clip(printable.Line(reference)))
		}
		i.Tag = reference
	}
	var err error
	// Asked each time, with the token of the viewer: what follows may be remembered.
	if i.Digest, err = r.resolved(ctx, v, repository, reference); err != nil {
		return nil, err
	}
	if i.Manifest, err = r.manifest(ctx, v, repository, i.Digest); err != nil {
		return nil, err
	}
	i.Summary, err = r.summary(ctx, v, repository, i.Digest)
	i.missing("when it was made", err)
	if i.Manifest.IsIndex() {
		r.children(ctx, v, repository, i)
	} else if isImage(i.Manifest) {
		i.Config, err = r.config(ctx, v, repository, i.Manifest.Config.Digest)
		i.missing("its configuration", err)
	}
	i.missing("what belongs to it", r.belonging(ctx, v, repository, i))
	return i, nil
}

// missing notes what could not be read. The same reason is noted once.
func (i *Image) missing(what string, err error) {
	if err == nil || slices.ContainsFunc(i.Missing, func(before Missing) bool { return before.Err.Error() == err.Error() }) {
		return
	}
	i.Missing = append(i.Missing, Missing{what, err})
}

// children adds the images of an index, and what attests to them.
func (r *Registry) children(ctx context.Context, v Viewer, repository string, i *Image) {
	for _, one := range i.Manifest.Manifests {
		if attests(one) {
			of, _ := registryclient.ParseDigest(string(one.Annotations.Get(referenceDigest)))
			i.Belonging = append(i.Belonging, Artifact{Descriptor: one, Kind: Attestation, Of: of})
			continue
		}
		i.Images = append(i.Images, Child{Descriptor: one})
	}
	looked := min(len(i.Images), maxChildren)
	errs := make([]error, looked)
	each(looked, lookAtOnce, func(n int) {
		if i.Images[n].Digest == "" {
			return
		}
		m, err := r.manifest(ctx, v, repository, i.Images[n].Digest)
		if errs[n] = err; err == nil && !m.IsIndex() {
			i.Images[n].Total = total(m)
		}
	})
	for n, err := range errs {
		if errors.Is(err, registryclient.ErrNotFound) {
			i.missing(i.Images[n].Name(), fmt.Errorf("%w: the index lists it", registryclient.ErrNotFound))
			continue
		}
		i.missing(i.Images[n].Name(), err)
	}
}

// belonging adds what refers to an image, and what cosign keeps beside it.
func (r *Registry) belonging(ctx context.Context, v Viewer, repository string, i *Image) error {
	referrers, err := ask(ctx, r, v, repository, access.Pull, func(bearer string) (registryclient.Referrers, error) {
		return r.client.Referrers(ctx, bearer, repository, i.Digest)
	})
	for _, one := range referrers.Manifests {
		i.Belonging = append(i.Belonging, Artifact{Descriptor: one, Kind: kindOf(one)})
	}
	i.BelongingCut = referrers.Cut
	found, errs := make([]registryclient.Digest, len(cosigned)), make([]error, len(cosigned))
	each(len(cosigned), len(cosigned), func(n int) {
		found[n], errs[n] = r.resolved(ctx, v, repository, i.Digest.Tag()+cosigned[n].ending)
	})
	for n, one := range cosigned {
		switch {
		case errs[n] == nil:
			i.Belonging = append(i.Belonging, Artifact{
				Descriptor: registryclient.Descriptor{Digest: found[n]}, Kind: one.kind, Tag: i.Digest.Tag() + one.ending,
			})
		case err == nil && !errors.Is(errs[n], registryclient.ErrNotFound):
			err = errs[n]
		}
	}
	return err
}
