package registryview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

const (
	// maxShared is how many tags are looked at for the same digest, and sharedWithin
	// how long.
	maxShared    = 2000
	sharedWithin = 10 * time.Second
)

// Deletion is what deleting an image would take along.
type Deletion struct {
	Tag    string
	Digest registryclient.Digest
	// Tags are all that are the same image, the one asked for among them: they go
	// together.
	Tags []string
	// Looked is how many tags were looked at, of Total. Where it is less, there may
	// be more that go.
	Looked, Total int
}

// MayDelete reports whether a viewer may delete from a repository, and see what.
func (v Viewer) MayDelete(repository string) bool {
	return v.Allowed(repository).Has(access.Pull | access.Delete)
}

// PlanDeletion says what deleting a tag would delete. Nothing is deleted. Errors:
// [ErrNotAllowed], [ErrInvalidReference], and those of [registryclient].
func (r *Registry) PlanDeletion(ctx context.Context, v Viewer, repository, tag string) (Deletion, error) {
	if !v.MayDelete(repository) {
		return Deletion{}, fmt.Errorf("%w: %s %s", ErrNotAllowed, access.Delete, repository)
	}
	if !registryclient.IsTag(tag) {
		return Deletion{}, fmt.Errorf("%w: write a tag", ErrInvalidReference)
	}
	digest, err := r.resolved(ctx, v, repository, tag)
	if err != nil {
		return Deletion{}, err
	}
	r.tags.forget(repository) // tags may have moved since
	l, err := r.tagList(ctx, v, repository)
	if err != nil {
		return Deletion{}, err
	}
	d := Deletion{Tag: tag, Digest: digest, Total: len(l.tags)}
	looked := l.tags[:min(len(l.tags), maxShared)]
	within, cancel := context.WithTimeout(ctx, sharedWithin)
	defer cancel()
	same, known := make([]bool, len(looked)), make([]bool, len(looked))
	each(len(looked), lookAtOnce, func(i int) {
		found, err := r.resolve(within, v, repository, l, looked[i])
		// A tag that is gone meanwhile is none that goes.
		same[i], known[i] = found == digest, err == nil || errors.Is(err, registryclient.ErrNotFound)
	})
	for i, name := range looked {
		if same[i] {
			d.Tags = append(d.Tags, name)
		}
		if known[i] {
			d.Looked++
		}
	}
	if !slices.Contains(d.Tags, tag) { // among the many that were not looked at
		d.Tags = append([]string{tag}, d.Tags...)
	}
	return d, nil
}

// Delete deletes an image with all of its tags, if the tag is still that image.
// Errors: [ErrNotAllowed], [ErrMoved], [ErrDeletesOff], and those of
// [registryclient].
func (r *Registry) Delete(ctx context.Context, v Viewer, repository, tag string, digest registryclient.Digest) error {
	if !v.MayDelete(repository) {
		return fmt.Errorf("%w: %s %s", ErrNotAllowed, access.Delete, repository)
	}
	if _, ok := registryclient.ParseDigest(string(digest)); !ok || !registryclient.IsTag(tag) {
		return fmt.Errorf("%w: write a tag and a digest", ErrInvalidReference)
	}
	is, err := r.resolved(ctx, v, repository, tag)
	if err != nil {
		return err
	}
	if is != digest {
		return fmt.Errorf("%w: %s is %s by now: look at it again", ErrMoved, tag, is)
	}
	_, err = ask(ctx, r, v, repository, access.Delete, func(bearer string) (struct{}, error) {
		return struct{}{}, r.client.Delete(ctx, bearer, repository, digest)
	})
	r.tags.forget(repository)
	r.images.forget(repository, digest)
	if errors.Is(err, registryclient.ErrUnsupported) {
		return fmt.Errorf("%w (%w)", ErrDeletesOff, err)
	}
	if err != nil {
		return err
	}
	r.logger.Info("image deleted at the page", zap.String("subject", v.Name), zap.String("repository", repository),
		zap.String("tag", tag), zap.String("digest", string(digest)))
	return nil
}
