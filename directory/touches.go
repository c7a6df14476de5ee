package directory

import (
	"sync"

	"github.com/dockit-registry/dockit/store"
)

// maxTouches is how many subjects are told apart. Beyond that, everybody counts
// as changed once.
const maxTouches = 50_000

// touches are the latest revisions that concern each subject.
type touches struct {
	mu sync.RWMutex
	// everybody is the latest one that concerns whoever is not in subjects.
	everybody int64
	latest    int64
	subjects  map[int64]int64
}

func newTouches() *touches { return &touches{subjects: map[int64]int64{}} }

// add takes changes into account, in any order.
func (t *touches) add(changes ...store.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		t.latest = max(t.latest, c.Revision)
		if c.SubjectID == store.Everybody {
			t.everybody = max(t.everybody, c.Revision)
			continue
		}
		t.subjects[c.SubjectID] = max(t.subjects[c.SubjectID], c.Revision)
		if len(t.subjects) > maxTouches {
			t.everybody = t.latest
			clear(t.subjects)
		}
	}
}

// last is the latest known revision that concerns a subject.
func (t *touches) last(subjectID int64) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return max(t.everybody, t.subjects[subjectID])
}

// forget makes the revisions begin anew.
func (t *touches) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.everybody, t.latest = 0, 0
	clear(t.subjects)
}
