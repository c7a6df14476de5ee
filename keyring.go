package dockit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/currentlog"
	"github.com/dockit-registry/dockit/pki"
)

// rings holds the key rings of all configurations, so that a reload with the
// same settings reads no keys and forgets none.
var rings = caddy.NewUsagePool()

// ringKey is equal for configurations that share a ring.
type ringKey struct {
	database *database
	files    pki.Files
	keyType  pki.KeyType

	leafLife, maxTokenTTL, pollInterval, serveStale time.Duration

	// services, kidOnly and own name services; encryptionKeys are names, too.
	services, kidOnly, own, encryptionKeys string

	// starts is the one configuration whose start takes keys over that stand in
	// the clear, or nil.
	starts *App
}

// ringKey is that of the configuration, with all options of its ring.
func (a *App) ringKey(options pki.Options) ringKey {
	key := ringKey{
		database:       a.database,
		keyType:        options.KeyType,
		leafLife:       options.LeafLife,
		maxTokenTTL:    options.MaxTokenTTL,
		pollInterval:   options.PollInterval,
		serveStale:     options.ServeStale,
		services:       fmt.Sprintf("%q", options.Services),
		kidOnly:        fmt.Sprintf("%q", options.KidOnly),
		own:            fmt.Sprintf("%q", options.Own),
		encryptionKeys: fmt.Sprint(options.EncryptionKeys),
	}
	if a.keys.files != nil {
		key.files = *a.keys.files
	}
	if options.SealExisting {
		key.starts = a
	}
	return key
}

// keyRing is a ring, shared by the configurations that name the same database
// and say the same about keys. The last of them to let go closes it.
type keyRing struct {
	*pki.Ring
	key ringKey

	mu sync.Mutex
	// users are these configurations, the newest last. The last one to let go
	// stays, for requests that are still in flight then.
	users []*App
}

// useRing returns the ring made for this configuration, or for one before with
// equal settings. [keyRing.leave] gives it back. The database is open.
func (a *App) useRing(ctx context.Context, serveStale time.Duration) (*keyRing, error) {
	options := a.keys.options
	options.ServeStale = serveStale
	key := a.ringKey(options)
	shared, loaded, err := rings.LoadOrNew(key, func() (caddy.Destructor, error) { return a.newRing(ctx, key, options) })
	if err != nil {
		return nil, explainUnsealed(err)
	}
	ring := shared.(*keyRing)
	if !loaded {
		return ring, nil
	}
	ring.join(a)
	if err := ring.Reload(ctx, a.keys.content); err != nil {
		ring.leave(a)
		return nil, err
	}
	return ring, nil
}

// newRing reads the keys, or makes them.
func (a *App) newRing(ctx context.Context, key ringKey, options pki.Options) (*keyRing, error) {
	r := &keyRing{key: key, users: []*App{a}}
	s := a.database.store
	options.Now, options.MayForget = s.Now, s.MayForget
	options.Observe = func(key pki.Replaced) { r.newest().announceReplaced(key) }
	logger := currentlog.New(func() *zap.Logger { return r.newest().logger }).Named("dockit.pki")
	var err error
	if a.keys.files == nil {
		r.Ring, err = pki.NewGeneratedRing(ctx, s, options, logger)
	} else {
		r.Ring, err = pki.NewFileRing(ctx, s, *a.keys.files, options, logger)
	}
	if err != nil {
		return nil, err
	}
	keyMetrics.Add(r.Ring)
	return r, nil
}

// newest is the configuration that the ring logs and announces for.
func (r *keyRing) newest() *App {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.users[len(r.users)-1]
}

func (r *keyRing) join(a *App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users = append(r.users, a)
}

// leave ends the use by one configuration.
func (r *keyRing) leave(a *App) {
	_, _ = rings.Delete(r.key) // Destruct does not fail
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.users, a); len(r.users) > 1 && i >= 0 {
		r.users = slices.Delete(r.users, i, i+1)
	}
}

// Destruct is called when no configuration uses the ring any more.
func (r *keyRing) Destruct() error {
	r.Close()
	keyMetrics.Remove(r.Ring)
	return nil
}
