package pki

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
)

// memoryStore is a [Store] of one process. The zero value is ready.
type memoryStore struct {
	mu      sync.Mutex
	version int64
	records map[string]Record
}

func (s *memoryStore) KeyVersion(ctx context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, ctx.Err()
}

func (s *memoryStore) Keys(ctx context.Context) (int64, []Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := slices.SortedFunc(maps.Values(s.records), func(a, b Record) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return s.version, records, ctx.Err()
}

func (s *memoryStore) ChangeKeys(ctx context.Context, version int64, put []Record, remove []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if version != s.version {
		return ErrConflict
	}
	if s.records == nil {
		s.records = make(map[string]Record)
	}
	for _, record := range put {
		s.records[record.ID] = record
	}
	for _, id := range remove {
		delete(s.records, id)
	}
	s.version++
	return nil
}
