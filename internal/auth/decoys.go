package auth

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

const (
	// costsLife is how long it is taken for granted which kinds of hashes there
	// are. Hashes of another cost are brought from elsewhere, which is rare.
	costsLife = 5 * time.Minute
	// levelMargin is how much longer a refusal takes than the dearest check is
	// expected to, so that one which is late is still in time.
	levelMargin = 2
	// maxLevel bounds how long a refusal is held back.
	maxLevel = 5 * time.Second
)

// decoys knows what the stored password hashes cost to check. As long as not
// all of them cost the same, the time of an answer would tell who has which,
// and that the others do not exist. So every refusal takes as long as one of the
// dearest hash that is stored: by waiting, for which the next one need not wait.
// To do the work of it would let a guesser choose how much that is.
//
// Those hashes are replaced when their owners log in, and with the last of
// them nobody waits.
type decoys struct {
	store  *store.Store
	away   func() error
	logger *zap.Logger

	mu      sync.Mutex
	known   bool
	dearest float64
	warned  float64
	readAt  time.Time
}

// current returns how much work the dearest stored hash is, in checks of one of
// today's cost, or zero when all are of that cost.
func (c *decoys) current(ctx context.Context) (float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && time.Since(c.readAt) < costsLife || c.away() != nil {
		return c.dearest, nil
	}
	reading, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	samples, err := c.store.PasswordHashSamples(reading)
	if err != nil && c.known {
		c.readAt = time.Now().Add(10*time.Second - costsLife) // others need not wait for it
		return c.dearest, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
	}
	c.dearest = 0
	for _, sample := range samples {
		c.add(sample)
	}
	c.known, c.readAt = true, time.Now()
	return c.dearest, nil
}

// add is called with the lock held.
func (c *decoys) add(hash string) {
	if password.ValidHash(hash) != nil {
		return
	}
	cost, err := password.CostOf(hash)
	if err != nil || cost.Current() {
		return
	}
	c.dearest = max(c.dearest, cost.Work(), 1) // names of nobody cost one
	if password.CheckImported(hash) != nil && c.dearest > c.warned {
		c.warned = c.dearest
		c.logger.Warn("a stored password hash takes much work to check: until its owner logs in once or gets a new password, every wrong password is answered late",
			zap.Stringer("hash", cost), zap.Float64("times_the_work", c.dearest))
	}
}

// outdated makes the next check look again: there is a cost that is not known.
func (c *decoys) outdated() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Time{}
}

// level returns what a refusal takes from the beginning of its check on, with the
// dearest hash being so much work, or zero when there is nothing to hide.
func level(dearest float64, check time.Duration) time.Duration {
	return min(time.Duration(levelMargin*dearest*float64(check)), maxLevel)
}

// levelled returns how long a refusal is held back that has taken some time: up
// to the level or, for one that is late, the next multiple of it.
func levelled(level, took time.Duration) time.Duration {
	if level <= 0 {
		return 0
	}
	return level - took%level
}
