package passwords

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

// samplesLife is how long it is taken for granted which kinds of hashes there
// are. Hashes of another cost are imported, which is rare.
const samplesLife = 5 * time.Minute

// hashCosts knows what the stored password hashes cost to check. As long as not
// all of them cost the same, the time of an answer would show a guesser which users
// have which, and which names are unknown. So every refusal takes as long as one
// for the costliest hash that is stored: by waiting, which keeps no other request
// waiting. To do the work of it would let a guesser choose how much that is.
//
// Those hashes are replaced when their owners log in, and with the last of
// them the waiting ends.
type hashCosts struct {
	store       *store.Store
	unavailable func() error
	logger      *zap.Logger

	mu        sync.Mutex
	known     bool
	costliest float64
	warned    float64
	readAt    time.Time
}

// current returns how much work the costliest stored hash is, in checks of one of
// today's cost, or zero when all are of that cost.
func (h *hashCosts) current(ctx context.Context) (float64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known && time.Since(h.readAt) < samplesLife || h.unavailable() != nil {
		return h.costliest, nil
	}
	reading, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	samples, err := h.store.PasswordHashSamples(reading)
	if err != nil && h.known {
		h.readAt = time.Now().Add(10*time.Second - samplesLife) // the next requests need not wait for it
		return h.costliest, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
	}
	h.costliest = 0
	for _, sample := range samples {
		h.add(sample)
	}
	h.known, h.readAt = true, time.Now()
	return h.costliest, nil
}

// add is called with the lock held.
func (h *hashCosts) add(hash string) {
	if password.ValidHash(hash) != nil {
		return
	}
	cost, err := password.CostOf(hash)
	if err != nil || cost.Current() {
		return
	}
	h.costliest = max(h.costliest, cost.Work(), 1) // unknown names cost one
	if password.CheckImported(hash) != nil && h.costliest > h.warned {
		h.warned = h.costliest
		h.logger.Warn("a stored password hash takes much work to check: until its owner logs in once or gets a new password, every wrong password is answered late",
			zap.Stringer("hash", cost), zap.Float64("times_the_work", h.costliest))
	}
}

// outdated makes the next check look again: there is a cost that is not known.
func (h *hashCosts) outdated() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readAt = time.Time{}
}
