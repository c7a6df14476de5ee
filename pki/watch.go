package pki

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

const (
	// writing is how long a change to a file may take: whoever looks at once
	// sees half of it.
	writing = 100 * time.Millisecond

	// expiryWarning is how long before its end a brought certificate starts
	// to be warned about.
	expiryWarning = 30 * 24 * time.Hour
)

// watch tells of changes in the folders of the files. Folders, because files
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

// reload takes the files into use when they changed. As long as they cannot be
// used, the key they held before stays in service.
func (r *Ring) reload(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.brought.forget(now, r.options.verification())
	changed, err := r.reloadChanged(ctx, now)
	if err != nil {
		r.counters.reloadFailures.Add(1)
	}
	r.counters.fileBroken.Store(err != nil)
	r.note("reloading pki files", err)
	if changed {
		r.counters.reloads.Add(1)
		r.logger.Info("reloaded "+r.files.String(), zap.String("fingerprint", Fingerprint(r.brought.current.cert)))
		r.options.Observe(r.brought.replaced())
	}
	if changed || now.Sub(r.warnedAt) >= 24*time.Hour {
		r.warnOfExpiry(now)
	}
}

func (r *Ring) reloadChanged(ctx context.Context, now time.Time) (bool, error) {
	content, err := r.files.read()
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(content)
	if sum == r.brought.content {
		return false, nil
	}
	p, err := r.files.parse(content, now)
	if err != nil {
		return false, err
	}
	if err := r.accept(p, now); err != nil {
		return false, err
	}
	previous := *r.brought
	r.brought.replace(p, sum, now)
	if err := r.updateLocked(ctx, updateRequest{apply: func(*plan) error { return nil }}); err != nil {
		*r.brought = previous
		return false, err
	}
	return true, nil
}

// warnOfExpiry warns once a day of a brought certificate that ends soon.
func (r *Ring) warnOfExpiry(now time.Time) {
	r.warnedAt = now
	cert := r.brought.current.cert
	if left := cert.NotAfter.Sub(now); left < expiryWarning {
		r.logger.Warn("certificate expires soon: renew it in "+r.files.String(),
			zap.String("subject", cert.Subject.String()),
			zap.Time("not_after", cert.NotAfter),
			zap.Duration("left", left.Round(time.Minute)))
	}
}
