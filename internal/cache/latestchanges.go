package cache

import (
	"sync"

	"github.com/dockit-registry/dockit/store"
)

// maxChanges is how many subjects are told apart. Beyond that, everybody counts
// as changed once.
const maxChanges = 50_000

// changes are the numbers of the latest changes that concern each subject.
type latestChanges struct {
	mu sync.RWMutex
	// everybody is the latest one that concerns those not in subjects.
	everybody int64
	latest    int64
	subjects  map[int64]int64
}

func newLatestChanges() *latestChanges { return &latestChanges{subjects: map[int64]int64{}} }

// add takes a change into account, in any order.
func (t *latestChanges) add(number, subjectID int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = max(t.latest, number)
	if subjectID == store.Everybody {
		t.everybody = max(t.everybody, number)
		return
	}
	t.subjects[subjectID] = max(t.subjects[subjectID], number)
	if len(t.subjects) > maxChanges {
		t.everybody = t.latest
		clear(t.subjects)
	}
}

// last is the latest known change that concerns a subject.
func (t *latestChanges) last(subjectID int64) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return max(t.everybody, t.subjects[subjectID])
}

// forget makes the numbers begin anew.
func (t *latestChanges) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.everybody, t.latest = 0, 0
	clear(t.subjects)
}
