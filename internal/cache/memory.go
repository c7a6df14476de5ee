package cache

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/store"
)

// memoryBytes bounds each of the memories, about: some 30,000 subjects that are
// active. What is needed least goes first.
const memoryBytes = 16 << 20

// memory keeps what was read.
type memory[K comparable, V any] struct {
	entries *otter.Cache[K, *entry[V]]
	// subject is the id of whom something was read.
	subject func(K, V) int64
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
	return &memory[K, V]{subject: subject, entries: otter.Must(&otter.Options[K, *entry[V]]{
		MaximumWeight: memoryBytes,
		Weigher:       func(_ K, e *entry[V]) uint32 { return uint32(min(weigh(e.value), memoryBytes)) },
		// What there is to do is little, and nothing of it goes on after Close.
		Executor: func(do func()) { do() },
	})}
}

func (m *memory[K, V]) get(key K) (*entry[V], bool) {
	e, ok := m.entries.GetIfPresent(key)
	if ok {
		e.used.Store(time.Now().UnixNano())
	}
	return e, ok
}

func (m *memory[K, V]) put(key K, value V, s stamp) {
	e := &entry[V]{value: value, stamp: s}
	e.used.Store(time.Now().UnixNano())
	m.entries.Set(key, e)
}

// renew puts another value in the place of an entry, unless that is another one
// by now. It counts as no use.
func (m *memory[K, V]) renew(key K, old *entry[V], value V, s stamp) {
	e := &entry[V]{value: value, stamp: s}
	e.used.Store(old.used.Load())
	m.entries.ComputeIfPresent(key, func(current *entry[V]) (*entry[V], otter.ComputeOp) {
		if current != old {
			return nil, otter.CancelOp
		}
		return e, otter.WriteOp
	})
}

func (m *memory[K, V]) forget(key K) { m.entries.Invalidate(key) }

// What the values take, about: a fixed part with what the memory itself needs,
// and their texts.
const entryWeight = 300

func loginWeight(l store.Login) int {
	return entryWeight + len(l.Ref.Name) + len(l.PasswordHash) + len(l.PasswordMadeBy) + 32*len(l.PasswordLimits.Networks)
}

func refreshTokenWeight(l store.RefreshTokenLogin) int {
	return loginWeight(l.Login) + len(l.Hash) + len(l.Service)
}

func accessTokenWeight(l store.AccessTokenLogin) int {
	return loginWeight(l.Login) + len(l.Hash) + len(l.PreviousHash) + permissionsWeight(l.Scopes) + 32*len(l.Networks)
}

func permissionsWeight(permissions []access.Permission) int {
	weight := entryWeight
	for _, p := range permissions {
		weight += 64 + len(p.Name)
	}
	return weight
}
