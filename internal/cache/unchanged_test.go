package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUnchanged(t *testing.T) {
	for _, tc := range []struct {
		name   string
		during func(f *fixture)
		want   bool
	}{
		{"nothing happened", func(*fixture) {}, true},
		{"nothing happened for a while", func(f *fixture) { f.wait(30 * time.Second) }, true},
		{"too long ago to be sure", func(f *fixture) { f.wait(rereadAfter) }, false},
		{"a change here", func(f *fixture) { f.source.here("bob", false) }, false},
		{"a change elsewhere", func(f *fixture) {
			f.source.elsewhere("bob", false)
			f.wait(freshness + pollInterval)
		}, false},
		{"the database was replaced by another of the same revision", func(f *fixture) {
			f.source.mu.Lock()
			f.source.marks.Nonce++
			f.source.mu.Unlock()
			f.wait(freshness + pollInterval)
		}, false},
		{"the database is away", func(f *fixture) {
			f.source.set(errDown, false)
			f.wait(freshness + pollInterval)
		}, false},
		{"the database does not answer", func(f *fixture) {
			f.source.set(nil, true)
			f.wait(freshness + pollInterval)
		}, false},
		{"the database was away", func(f *fixture) {
			f.source.set(errDown, false)
			f.wait(10 * time.Second)
			f.source.set(nil, false)
			f.wait(10 * time.Second)
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.wait(time.Second) // the marks are known
				v := f.Version()
				tc.during(f)
				n := f.source.took("login", func() { assert.Equal(t, tc.want, f.Unchanged(t.Context(), v)) })
				assert.Zero(t, n, "reads")
			})
		})
	}
}
