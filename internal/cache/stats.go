package cache

import "time"

// Stats are numbers for monitoring, as they are now.
type Stats struct {
	// Revision is the latest state of the database that is known, and Confirmed how
	// long ago the database was asked for it. They are zero before the first answer.
	Revision  int64
	Confirmed time.Duration
	// Memories are what is kept of each kind.
	Memories []MemoryStats
}

// MemoryStats are those of what is kept of one kind.
type MemoryStats struct {
	// Kind is login, access_token, refresh_token, rights or issuers.
	Kind string
	// Hits counts what was answered from memory, and Misses what the database was
	// asked for.
	Hits, Misses uint64
	// Entries is how many there are, and Bytes what they take, about.
	Entries, Bytes int
}

// Stats returns the numbers of all Directories that share the source.
func (d *shared) Stats() Stats {
	s := Stats{Memories: []MemoryStats{
		d.logins.stats("login"), d.accessTokens.stats("access_token"), d.refreshTokens.stats("refresh_token"),
		d.rights.stats("rights"), d.federation.stats("issuers"),
	}}
	if k := d.known.Load(); !k.asked.IsZero() {
		s.Revision, s.Confirmed = k.marks.Revision, k.asked.Age()
	}
	return s
}

func (m *memory[K, V]) stats(kind string) MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStats{Kind: kind, Hits: m.hits.Load(), Misses: m.misses.Load(), Entries: m.slots.Len(), Bytes: m.weight}
}
