package pki

import (
	"context"
	"time"
)

// settleInterval is how often the ring looks whether something is due.
const settleInterval = 10 * time.Second

// maintain keeps the ring in step with time and with other nodes until ctx is
// done.
func (r *Ring) maintain(ctx context.Context) {
	ticker := time.NewTicker(r.options.PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		r.tick(ctx)
	}
}

// tick is one round of maintenance. It costs one small query as long as
// nothing happens.
func (r *Ring) tick(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err := r.follow(ctx)
	if ctx.Err() == context.Canceled {
		return // closing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note("looking after keys", err)
}

func (r *Ring) follow(ctx context.Context) error {
	asked := r.now()
	version, err := r.store.KeyVersion(ctx)
	if err != nil {
		return err
	}
	v := r.view.Load()
	age := asked.Sub(v.builtAt)
	if version == v.version && age < settleInterval && age > -settleInterval {
		r.confirmed.Store(asked.UnixNano())
		return nil
	}
	return r.update(ctx, updateRequest{})
}
