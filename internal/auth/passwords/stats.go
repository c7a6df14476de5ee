package passwords

import "time"

// Stats are numbers for monitoring, as they are now.
type Stats struct {
	// Slots is how many passwords are hashed at a time at most, and Running how
	// many are.
	Slots, Running int
	// Queued is how many wait to be hashed.
	Queued int
	// Attempts is everything that is checked or waits for it, and Room how many
	// there may be.
	Attempts, Room int
}

// Stats returns the numbers of all Checkers that share the store.
func (c *Checker) Stats() Stats {
	s := Stats{Room: 2 * roomSize}
	s.Slots, s.Running, s.Queued = c.hasher.queue.load()
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	for _, attempts := range c.room.buckets {
		s.Attempts += attempts
	}
	return s
}

// ObserveChecks has f told of each password that was hashed: how long it waited for
// its turn, and how long it took then. f must not block.
func (c *Checker) ObserveChecks(f func(waited, took time.Duration)) { c.hasher.observer.Store(&f) }
