package registryview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

const (
	// maxNames and maxNameBytes bound the names in memory.
	maxNames     = 250_000
	maxNameBytes = 32 << 20
	// maxWalk bounds the time of a walk, and maxWalkPages its requests.
	maxWalk      = 10 * time.Minute
	maxWalkPages = 20_000
	// freshFor is how old names become before they are read again, if a viewer
	// looks; but reading them takes a tenth of the time at most.
	freshFor   = 30 * time.Second
	freshTimes = 10
	// retryAfter is how soon a walk that failed is tried again.
	retryAfter = 10 * time.Second
	// firstWait is how long who looks first waits for the names.
	firstWait = 2 * time.Second
)

// catalog holds the names of all repositories of a registry.
type catalog struct {
	mu      sync.Mutex
	current *names        // nil before the first walk
	walked  chan struct{} // closed at the end of the walk that goes on, nil when none does
	err     error         // of the last walk
	failed  time.Time
}

// names are what a walk found. They never change.
type names struct {
	// all is that of the walk before where nothing changed.
	all *nameList
	// read is when the walk ended, and took how long it was.
	read time.Time
	took time.Duration
	// cut is set when there are more.
	cut bool
}

// nameList has names in order, each once, and only those that a permission can cover.
type nameList struct{ list []string }

// names are those that are known, with the error of the last walk. A walk begins when
// they are old; who comes before the first has ended waits for it for a while.
func (r *Registry) names(ctx context.Context) (*names, bool, error) {
	c := &r.catalog
	c.mu.Lock()
	if r.ctx.Err() == nil && c.due(time.Now()) {
		c.walked = make(chan struct{})
		r.done.Go(r.walk)
	}
	current, walked, err := c.current, c.walked, c.err
	c.mu.Unlock()
	if current != nil || walked == nil {
		return current, walked != nil, err
	}
	timer := time.NewTimer(firstWait)
	defer timer.Stop()
	select {
	case <-walked:
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.walked != nil, c.err
}

// due reports whether to walk.
func (c *catalog) due(now time.Time) bool {
	switch {
	case c.walked != nil:
		return false
	case c.err != nil && now.Sub(c.failed) < retryAfter:
		return false
	case c.current == nil:
		return true
	default:
		return now.Sub(c.current.read) >= max(freshFor, freshTimes*c.current.took)
	}
}

// walk reads the names anew.
func (r *Registry) walk() {
	ctx, cancel := context.WithTimeout(r.ctx, maxWalk)
	defer cancel()
	found, err := r.readNames(ctx)
	if err != nil && r.ctx.Err() == nil {
		r.logger.Warn("cannot list the repositories of the registry", zap.Stringer("registry", r.client), zap.Error(err))
	}
	c := &r.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err = err; err != nil {
		c.failed = time.Now()
	}
	// Some names are better than none, but no better than all of before.
	if err == nil || c.current == nil && len(found.all.list) > 0 {
		if c.current != nil && slices.Equal(c.current.all.list, found.all.list) {
			found.all = c.current.all
		}
		c.current = found
	}
	close(c.walked)
	c.walked = nil
}

func (r *Registry) readNames(ctx context.Context) (*names, error) {
	began := time.Now()
	var (
		at    string
		found collected
	)
	for range maxWalkPages {
		bearer, err := r.tokens.forCatalog()
		if err != nil {
			return found.names(began), err
		}
		page, err := r.client.Repositories(ctx, bearer, at)
		if err != nil {
			return found.names(began), catalogError(err)
		}
		added := found.add(page.Names)
		if at = page.Next; at == "" || found.cut {
			return found.names(began), nil
		}
		if !added {
			return found.names(began), fmt.Errorf("%w: its catalog goes on and on without another name", registryclient.ErrAnswer)
		}
	}
	found.cut = true
	return found.names(began), nil
}

// catalogError says what to do about a registry that does not list its names.
func catalogError(err error) error {
	switch {
	case errors.Is(err, registryclient.ErrDenied):
		return fmt.Errorf("%w: it must trust the tokens of this service, as for docker pull", err)
	case errors.Is(err, registryclient.ErrNotFound), errors.Is(err, registryclient.ErrUnsupported):
		return fmt.Errorf("%w: a registry that lists no repositories can be looked at by name only", err)
	default:
		return err
	}
}

// collected are names as they come.
type collected struct {
	seen  map[string]struct{}
	bytes int
	cut   bool
}

// add takes in those that a permission can cover, and reports whether one was new.
func (c *collected) add(page []string) bool {
	if c.seen == nil {
		c.seen = make(map[string]struct{}, len(page))
	}
	added := false
	for _, name := range page {
		if _, known := c.seen[name]; known || access.ValidateRepository(name) != nil {
			continue
		}
		if len(c.seen) == maxNames || c.bytes+len(name) > maxNameBytes {
			c.cut = true
			return added
		}
		c.seen[name] = struct{}{}
		c.bytes += len(name)
		added = true
	}
	return added
}

func (c *collected) names(began time.Time) *names {
	list := make([]string, 0, len(c.seen))
	for name := range c.seen {
		list = append(list, name)
	}
	slices.Sort(list)
	return &names{all: &nameList{compact(list)}, read: time.Now(), took: time.Since(began), cut: c.cut}
}

// compact puts all names into one text, which keeps them close together.
func compact(list []string) []string {
	all := strings.Join(list, "")
	for i, name := range list {
		list[i], all = all[:len(name)], all[len(name):]
	}
	return list
}
