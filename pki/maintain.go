package pki

import (
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// settleInterval is how often the ring looks whether something is due, in the
// store and in its files.
const settleInterval = 10 * time.Second

// maintain keeps the ring in step with time, with other nodes and with its
// files until ctx is done.
func (r *Ring) maintain(ctx context.Context) {
	ticker := time.NewTicker(r.options.PollInterval)
	defer ticker.Stop()
	var (
		events   <-chan fsnotify.Event
		failures <-chan error
	)
	if watcher := r.watch(); watcher != nil {
		defer watcher.Close()
		events, failures = watcher.Events, watcher.Errors
	}
	written := time.NewTimer(0)
	written.Stop()
	defer written.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			written.Reset(writing)
		case err := <-failures: // events may have been lost
			r.logger.Warn("watching pki files", zap.Error(err))
			written.Reset(writing)
		case <-written.C:
			r.reload(ctx)
		case <-ticker.C:
			r.tick(ctx)
		}
	}
}

// tick is one round of maintenance. It costs one small query as long as
// nothing happens.
func (r *Ring) tick(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if now := r.now(); r.files != nil && (now.Sub(r.lookedAt) >= settleInterval || now.Before(r.lookedAt)) {
		r.lookedAt = now
		r.reload(ctx)
	}
	err := r.follow(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // closing
	}
	if err != nil {
		r.refused.Store(r.now().UnixNano())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note("looking after keys", err)
}

// follow reads the keys again when another node changed them, or when
// something may be due.
func (r *Ring) follow(ctx context.Context) error {
	asked := r.now()
	version, err := r.store.KeyVersion(ctx)
	if err != nil {
		return err
	}
	v := r.view.Load()
	age := asked.Sub(v.builtAt)
	if version == v.version && -settleInterval < age && age < settleInterval {
		r.confirmed.Store(asked.UnixNano())
		return nil
	}
	return r.update(ctx, updateRequest{})
}
