package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/directory"
	"github.com/dockit-registry/dockit/password"
	"github.com/dockit-registry/dockit/store"
)

// costsLife is how long it is taken for granted which kinds of hashes there
// are. Hashes of another cost are brought from elsewhere, which is rare.
const costsLife = 5 * time.Minute

// costs knows what the stored password hashes cost to check. As long as not
// all of them cost the same, the time of an answer would tell who has which,
// and that the others do not exist. So a wrong password pays for a check of
// every cost that is stored, whoever it is for.
//
// Those hashes are replaced when their owners log in, and with the last of
// them the extra work is gone.
type costs struct {
	store *store.Store
	away  func() error

	mu     sync.Mutex
	decoys map[password.Cost]string
	readAt time.Time
}

// current returns a decoy of each cost.
func (c *costs) current(ctx context.Context) (map[password.Cost]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decoys != nil && time.Since(c.readAt) < costsLife {
		return c.decoys, nil
	}
	decoys := map[password.Cost]string{password.CurrentCost(): password.CurrentCost().Decoy()}
	if c.away() != nil {
		if c.decoys != nil {
			return c.decoys, nil
		}
		return decoys, nil
	}
	reading, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	samples, err := c.store.PasswordHashSamples(reading)
	if err != nil && c.decoys != nil {
		c.readAt = time.Now().Add(10*time.Second - costsLife) // others need not wait for it
		return c.decoys, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", directory.ErrUnavailable, err)
	}
	for _, sample := range samples {
		if password.ValidHash(sample) != nil {
			continue
		}
		if cost, err := password.CostOf(sample); err == nil && decoys[cost] == "" {
			decoys[cost] = cost.Decoy()
		}
	}
	c.decoys, c.readAt = decoys, time.Now()
	return decoys, nil
}

// outdated makes the next check look again: there is a cost that is not known.
func (c *costs) outdated() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Time{}
}
