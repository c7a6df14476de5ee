package passwords

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/store"
)

func TestRecentFailuresAreBounded(t *testing.T) {
	r := newRecentFailures()
	now := time.Now()
	r.remember(bucket{"alice", "here"}, []store.Failure{{Name: "alice", Network: "here", At: now}})
	for i := range 3 * maxRecentBuckets {
		name := fmt.Sprint(unknownName, i)
		for j := range 5 {
			r.add(store.Failure{Name: name, Network: "there", At: now.Add(time.Duration(j))})
		}
	}
	n := r.unknown.cache.Len()
	assert.LessOrEqual(t, n, maxRecentBuckets)
	assert.Equal(t, 5*n, r.unknown.total)
	assert.Len(t, r.failures(bucket{"alice", "here"}, now.Add(-time.Second), now.Add(-time.Second)), 1, "names that nobody has pushed out one that somebody has")
	many := make([]store.Failure, 5*maxCeiling)
	for i := range many {
		many[i] = store.Failure{Name: "bob", Network: fmt.Sprint(i % 2), At: now}
	}
	for i := range 200 {
		r.remember(bucket{fmt.Sprint("bob", i), "1"}, many)
	}
	assert.LessOrEqual(t, r.known.total, maxRecentFailures+maxCeiling+2*maxLockoutFailures, "failures are remembered")
	r.forget(bucket{"bob199", ""})
	assert.Empty(t, r.failures(bucket{"bob199", "1"}, time.Time{}, time.Time{}), "failures after they were forgotten")
}
