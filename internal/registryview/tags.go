package registryview

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

const (
	// maxTags is how many tags of a repository are looked at.
	maxTags = 100_000
	// maxTagPages is how many requests that may take.
	maxTagPages = 1000
	// maxTagTime bounds it.
	maxTagTime = 30 * time.Second
	// datesWithin is how long a page waits for what the tags on it are.
	datesWithin = 1500 * time.Millisecond
	// lookAtOnce is how many tags of a page are looked up at the same time.
	lookAtOnce = 8
)

// Order is how tags are ordered.
type Order string

const (
	// Newest is by the time at which images were made, the newest first.
	Newest Order = "newest"
	// Version is by the version in the tag, the highest first.
	Version Order = "version"
)

// Tag is a tag as a list shows it.
type Tag struct {
	Name string
	// Digest is what it is now, empty when that could not be found out in time.
	Digest registryclient.Digest
	Summary
}

// Tags are tags of a repository.
type Tags struct {
	Tags []Tag
	// Total is how many there are on all pages together.
	Total int
	// Next is the After of the next page, empty on the last one.
	Next string
	// Order is Newest when all tags stand on one page, and Version otherwise: when
	// an image was made says only the image, and not all are fetched for a list.
	Order Order
	// Belonging is how many tags more there are, which belong to images: signatures
	// and the like, under the digest of what they are about.
	Belonging int
	// ReadAt is when the registry was asked.
	ReadAt time.Time
	// Cut is set when the repository has more tags than are looked at.
	Cut bool
	// Undated is why not every tag is known by its time, nil when that only took too long.
	Undated error
}

// belonging is the form of tags that belong to an image.
var belonging = regexp.MustCompile(`^(?:sha256-[0-9a-f]{64}|sha512-[0-9a-f]{64,121})(?:\.[a-z0-9]+)?$`)

// Tags lists the tags of a repository. Errors: [ErrNotAllowed], and those of
// [registryclient].
func (r *Registry) Tags(ctx context.Context, v Viewer, repository string, q Query) (Tags, error) {
	l, err := r.tagList(ctx, v, repository)
	if err != nil {
		return Tags{}, err
	}
	words, limit := q.words(), q.limit()
	found := Tags{Order: Version, Belonging: l.belonging, ReadAt: l.read, Cut: l.cut}
	start := l.after(q.After)
	first := start
	if found.Total = len(l.tags); len(words) > 0 {
		first, found.Total = 0, 0 // all of them are to be counted
	}
	for i := first; i < len(l.tags); i++ {
		name := l.tags[i]
		if len(words) > 0 {
			if !hasAll(strings.ToLower(name), words) {
				continue
			}
			found.Total++
		}
		if i < start {
			continue
		}
		if len(found.Tags) < limit {
			found.Tags = append(found.Tags, Tag{Name: name})
			continue
		}
		if found.Next = found.Tags[limit-1].Name; len(words) == 0 {
			break
		}
	}
	found.Undated = r.lookUp(ctx, v, repository, l, found.Tags)
	if found.Total == len(found.Tags) {
		found.Order = Newest
		slices.SortStableFunc(found.Tags, func(a, b Tag) int { return b.Created.Compare(a.Created.Time) })
	}
	return found, nil
}

// tagList is the list of all tags, as it was a moment ago for this viewer.
func (r *Registry) tagList(ctx context.Context, v Viewer, repository string) (*tagList, error) {
	if !v.mayPull(repository) {
		return nil, fmt.Errorf("%w: %s %s", ErrNotAllowed, access.Pull, repository)
	}
	key := tagKey{v.Name, repository}
	if l := r.tags.get(key, time.Now()); l != nil {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxTagTime)
	defer cancel()
	done, err := r.listing.take(ctx, v.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	if l := r.tags.get(key, time.Now()); l != nil {
		return l, nil // it was read for the same viewer meanwhile
	}
	l, err := r.readTags(ctx, v, repository)
	if err != nil {
		return nil, err
	}
	r.tags.add(key, l)
	return l, nil
}

func (r *Registry) readTags(ctx context.Context, v Viewer, repository string) (*tagList, error) {
	began := time.Now()
	l := &tagList{resolved: make(map[string]registryclient.Digest)}
	seen := make(map[string]struct{})
	at := ""
	for range maxTagPages {
		page, err := ask(ctx, r, v, repository, access.Pull, func(bearer string) (registryclient.Page, error) {
			return r.client.Tags(ctx, bearer, repository, at)
		})
		if err != nil {
			return nil, err
		}
		before := len(seen)
		for _, tag := range page.Names {
			if len(seen) == maxTags {
				l.cut = true
				break
			}
			if registryclient.IsTag(tag) {
				seen[tag] = struct{}{}
			}
		}
		at = page.Next
		if at == "" || l.cut {
			break
		}
		if len(seen) == before {
			return nil, fmt.Errorf("%w: its tags go on and on without another one", registryclient.ErrAnswer)
		}
	}
	l.cut = l.cut || at != ""
	for tag := range seen {
		if belonging.MatchString(tag) {
			l.belonging++
			continue
		}
		l.tags = append(l.tags, tag)
	}
	slices.SortFunc(l.tags, byVersion)
	l.read, l.took = time.Now(), time.Since(began)
	return l, nil
}

// lookUp finds out what the tags of a page are, as far as there is time. It returns
// why that went wrong for one.
func (r *Registry) lookUp(ctx context.Context, v Viewer, repository string, l *tagList, tags []Tag) error {
	within, cancel := context.WithTimeout(ctx, datesWithin)
	defer cancel()
	errs := make([]error, len(tags))
	each(len(tags), lookAtOnce, func(i int) {
		tags[i].Digest, errs[i] = r.resolve(within, v, repository, l, tags[i].Name)
	})
	// Several tags may be one image, which is read once.
	same := make(map[registryclient.Digest][]int)
	for i, tag := range tags {
		if errs[i] == nil {
			same[tag.Digest] = append(same[tag.Digest], i)
		}
	}
	digests := slices.Collect(maps.Keys(same))
	each(len(digests), lookAtOnce, func(n int) {
		summary, err := r.summary(within, v, repository, digests[n])
		for _, i := range same[digests[n]] {
			tags[i].Summary, errs[i] = summary, err
		}
	})
	for _, err := range errs {
		// One that is gone meanwhile, or whose image is, is none to worry about.
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.Is(err, registryclient.ErrNotFound) {
			return err
		}
	}
	return nil
}

// resolve finds out what a tag is, once for each list.
func (r *Registry) resolve(ctx context.Context, v Viewer, repository string, l *tagList, tag string) (registryclient.Digest, error) {
	if digest, known := l.digest(tag); known {
		return digest, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	found, err := r.resolved(ctx, v, repository, tag)
	if err != nil {
		return "", err
	}
	l.keep(tag, found)
	return found, nil
}

// resolved asks what a tag is now.
func (r *Registry) resolved(ctx context.Context, v Viewer, repository, tag string) (registryclient.Digest, error) {
	found, err := ask(ctx, r, v, repository, access.Pull, func(bearer string) (registryclient.Descriptor, error) {
		return r.client.Resolve(ctx, bearer, repository, tag)
	})
	return found.Digest, err
}
