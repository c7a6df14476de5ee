package cache

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/store"
)

// memoryBytes bounds each of the memories, about: some 30,000 subjects that are
// active. What was needed longest ago goes first.
const memoryBytes = 16 << 20

// rightsBytes is that for rights. One subject with as many permissions as are
// allowed by default, all of them patterns, takes 25 MB.
const rightsBytes = 40 << 20

// memory keeps what was read.
type memory[K comparable, V any] struct {
	// subject is the id of whom something was read.
	subject func(K, V) int64
	weigh   func(V) int

	// hits are answers from memory, misses those that the database was asked for.
	hits, misses atomic.Uint64

	// bytes bounds it: memoryBytes by default.
	bytes int

	mu     sync.Mutex
	slots  *simplelru.LRU[K, *slot[V]]
	weight int // of all that is kept
}

// slot is the place of an entry, which another may take without being a use.
type slot[V any] struct {
	entry  *entry[V]
	weight int
}

// stamp says when something was read.
type stamp struct {
	// revision was the latest that was known before: what was read is at least
	// as new.
	revision int64
	epoch    int64
	// heard counts the changes of this process before.
	heard int64
	read  clock.Moment
}

type entry[V any] struct {
	value V
	stamp stamp
	used  atomic.Int64 // Unix nanoseconds
}

func newMemory[K comparable, V any](weigh func(V) int, subject func(K, V) int64) *memory[K, V] {
	m := &memory[K, V]{subject: subject, weigh: weigh, bytes: memoryBytes}
	var err error
	// The weight bounds it: nothing weighs less.
	if m.slots, err = simplelru.NewLRU(memoryBytes/entryWeight, func(_ K, gone *slot[V]) { m.weight -= gone.weight }); err != nil {
		panic(err) // the size is positive
	}
	return m
}

func (m *memory[K, V]) get(key K) (*entry[V], bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.slots.Get(key)
	if !ok {
		return nil, false
	}
	held.entry.used.Store(time.Now().UnixNano())
	return held.entry, true
}

// peek is get, and counts as no use.
func (m *memory[K, V]) peek(key K) (*entry[V], bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.slots.Peek(key)
	if !ok {
		return nil, false
	}
	return held.entry, true
}

func (m *memory[K, V]) put(key K, value V, s stamp) {
	e := &entry[V]{value: value, stamp: s}
	e.used.Store(time.Now().UnixNano())
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.slots.Get(key)
	if !ok {
		held = new(slot[V])
		m.slots.Add(key, held)
	}
	m.set(key, held, e)
}

// renew puts another value in the place of an entry, unless that is another one
// by now. It counts as no use.
func (m *memory[K, V]) renew(key K, old *entry[V], value V, s stamp) {
	e := &entry[V]{value: value, stamp: s}
	e.used.Store(old.used.Load())
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.slots.Peek(key); ok && held.entry == old {
		m.set(key, held, e)
	}
}

// set puts an entry in its place, and forgets others when they are too much.
func (m *memory[K, V]) set(key K, held *slot[V], e *entry[V]) {
	weight := m.weigh(e.value)
	m.weight += weight - held.weight
	held.entry, held.weight = e, weight
	if weight > m.bytes { // all others would go for it
		m.slots.Remove(key)
	}
	for m.weight > m.bytes {
		m.slots.RemoveOldest()
	}
}

func (m *memory[K, V]) forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots.Remove(key)
}

// all are the entries as they are now, what was used last first.
func (m *memory[K, V]) all() iter.Seq2[K, *entry[V]] {
	m.mu.Lock()
	keys, slots := m.slots.Keys(), m.slots.Values()
	entries := make([]*entry[V], len(slots))
	for i, held := range slots {
		entries[i] = held.entry
	}
	m.mu.Unlock()
	return func(yield func(K, *entry[V]) bool) {
		for i, e := range slices.Backward(entries) {
			if !yield(keys[i], e) {
				return
			}
		}
	}
}

// What the values take, about: a fixed part with what the memory itself needs,
// and their texts.
const entryWeight = 300

func loginWeight(l store.Login) int {
	return entryWeight + len(l.Ref.Name) + len(l.PasswordHash) + len(l.PasswordMadeBy) + 32*len(l.PasswordLimits.Networks)
}

func refreshTokenWeight(l store.RefreshTokenLogin) int {
	return loginWeight(l.Login) + len(l.Hash) + len(l.Service) + sessionWeight(l.Session)
}

func sessionWeight(s *store.SessionLogin) int {
	if s == nil {
		return 0
	}
	return entryWeight + s.Size
}

// federationWeight lets the one entry be as large as the store lets it become.
func federationWeight(store.Federation) int { return entryWeight }

func accessTokenWeight(t AccessToken) int {
	weight := loginWeight(t.Login) + len(t.Hash) + len(t.PreviousHash) + 32*len(t.Networks) + sessionWeight(t.Session)
	for _, p := range t.Scopes {
		weight += 64 + len(p.Name)
	}
	if t.Narrow != nil {
		weight += t.Narrow.Size()
	}
	return weight
}

func rightsWeight(r *access.Rights) int { return entryWeight + r.Size() }
