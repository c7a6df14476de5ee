package pki

import (
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// reconcileInterval is how often the ring looks whether something is due, in the
// store and in its files.
const reconcileInterval = 10 * time.Second

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
			_ = r.reload(ctx) // it is tried again
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
	if now := r.now(); r.files != nil && (now.Sub(r.lookedAt) >= reconcileInterval || now.Before(r.lookedAt)) {
		r.lookedAt = now
		_ = r.reload(ctx) // it is tried again
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
	if version == v.version && -reconcileInterval < age && age < reconcileInterval {
		r.confirmed.Store(asked.UnixNano())
		return nil
	}
	return r.update(ctx, updateRequest{})
}

const (
	// writing is how long a change to a file may take: a reader that looks at
	// once sees half of it.
	writing = 100 * time.Millisecond

	// expiryWarning is how long before its end an external certificate starts
	// to be warned about.
	expiryWarning = 30 * 24 * time.Hour
)

// watch reports changes in the folders of the files. Folders, because files
// are replaced by rename, and because Kubernetes swaps a symbolic link beside
// them. It returns nil where there is nothing to watch, or no way to: then the
// files are only looked at every few seconds.
func (r *Ring) watch() *fsnotify.Watcher {
	if r.files == nil {
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.logger.Warn("cannot watch pki files; looking at them now and then instead", zap.Error(err))
		return nil
	}
	for _, path := range r.files.paths() {
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			r.logger.Warn("cannot watch the folder of a pki file; looking at it now and then instead",
				zap.String("file", path), zap.Error(err))
		}
	}
	return watcher
}

// Reload takes the files into use at once when they held another content than the
// ring does, which it would do by itself some time later. When they cannot be used,
// the key they held before stays in service. There is nothing to do for a ring
// without files.
func (r *Ring) Reload(ctx context.Context, content Digest) error {
	if r.files == nil || r.holds(content) {
		return nil
	}
	return r.reload(ctx)
}

// holds reports whether the ring has taken a content of the files into use.
func (r *Ring) holds(content Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.external.content == content
}

// reload takes the files into use when they changed. It has logged and counted
// the error that it returns.
func (r *Ring) reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.external.forget(now, r.options.verification())
	changed, err := r.reloadChanged(ctx, now)
	if err != nil {
		r.counters.reloadFailures.Add(1)
	}
	r.counters.fileBroken.Store(err != nil)
	r.note("reloading pki files", err)
	if changed {
		r.counters.reloads.Add(1)
		r.logger.Info("reloaded "+r.files.String(), zap.String("fingerprint", Fingerprint(r.external.current.cert)))
		r.options.Observe(r.external.replaced())
	}
	if changed || now.Sub(r.warnedAt) >= 24*time.Hour {
		r.warnOfExpiry(now)
	}
	return err
}

func (r *Ring) reloadChanged(ctx context.Context, now time.Time) (bool, error) {
	content, err := r.files.read()
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(content)
	if sum == r.external.content {
		return false, nil
	}
	p, err := r.files.parse(content, now)
	if err != nil {
		return false, err
	}
	if err := r.accept(p, now); err != nil {
		return false, err
	}
	previous := *r.external
	r.external.replace(p, sum, now)
	if err := r.updateLocked(ctx, updateRequest{apply: func(*plan) error { return nil }}); err != nil {
		*r.external = previous
		return false, err
	}
	return true, nil
}

// warnOfExpiry warns once a day of an external certificate that ends soon.
func (r *Ring) warnOfExpiry(now time.Time) {
	r.warnedAt = now
	cert := r.external.current.cert
	if left := cert.NotAfter.Sub(now); left < expiryWarning {
		r.logger.Warn("certificate expires soon: renew it in "+r.files.String(),
			zap.String("subject", cert.Subject.String()),
			zap.Time("not_after", cert.NotAfter),
			zap.Duration("left", left.Round(time.Minute)))
	}
}
