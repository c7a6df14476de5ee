package registryview

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

var (
	// ErrNotAllowed is returned for what the viewer has no right to.
	ErrNotAllowed = errors.New("no permission allows it")
	// ErrInvalidReference is returned for what is neither a tag nor a digest.
	ErrInvalidReference = errors.New("neither a tag nor a digest")
	// ErrMoved is returned for a tag that is another image than the one that was looked at.
	ErrMoved = errors.New("the tag is another image than before")
	// ErrDeletesOff is returned by a registry that deletes nothing.
	ErrDeletesOff = errors.New("the registry deletes nothing: set storage.delete.enabled to true in its configuration, " +
		"or REGISTRY_STORAGE_DELETE_ENABLED=true in its environment, and start it anew")
)

const (
	// atOnce is how many requests a registry is sent at the same time: each answer may
	// take some megabytes. Of one viewer there are atOnceEach at most, so that whoever
	// looks at much of a slow registry leaves room for others.
	atOnce     = 8
	atOnceEach = 6
	// listAtOnce is how many lists of tags are read at the same time, which may be longer:
	// each for another viewer.
	listAtOnce = 2
)

// Config is what a Registry is made of.
type Config struct {
	// Service is what the registry has as REGISTRY_AUTH_TOKEN_SERVICE.
	Service string
	Client  *registryclient.Client
	Tokens  *Tokens
	// Logger gets what goes wrong behind the viewer's back. Default: none.
	Logger *zap.Logger
}

// Registry is the registry of a service. It asks nothing without a viewer. It is
// safe for concurrent use.
type Registry struct {
	service string
	client  *registryclient.Client
	tokens  *Tokens
	logger  *zap.Logger

	catalog catalog
	viewers *viewers
	tags    *tagLists
	images  *images
	// asking are the turns of those who ask it anything.
	asking *turns
	// listing are the turns of those who read a list of tags.
	listing *turns

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes one. Close it.
func New(c Config) *Registry {
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	r := &Registry{
		service: c.Service, client: c.Client, tokens: c.Tokens, logger: c.Logger,
		viewers: newViewers(), tags: newTagLists(), images: newImages(), asking: newTurns(atOnce, atOnceEach), listing: newTurns(listAtOnce, 1),
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends what goes on in the background.
func (r *Registry) Close() {
	r.catalog.mu.Lock() // so that no walk begins after
	r.stop()
	r.catalog.mu.Unlock()
	r.done.Wait()
	r.client.Close()
}

// Service is the name of its service.
func (r *Registry) Service() string { return r.service }

// ask has f ask the registry, with a token for the viewer, when it is its turn.
func ask[T any](ctx context.Context, r *Registry, v Viewer, repository string, actions access.Actions, f func(bearer string) (T, error)) (T, error) {
	var nothing T
	bearer, err := r.tokens.forViewer(v, repository, actions)
	if err != nil {
		return nothing, err
	}
	done, err := r.asking.take(ctx, v.Name)
	if err != nil {
		return nothing, err
	}
	defer done()
	return f(bearer)
}
