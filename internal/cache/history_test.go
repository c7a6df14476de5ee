package cache

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/mariadbtest"
	"github.com/dockit-registry/dockit/subject"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Run(m)) }

var ciRef = subject.Ref{Kind: subject.Robot, Name: "ci"}

// history is a database whose state can be put back, as a restored dump or a
// replica that lost its last transactions does it.
type history struct {
	*testing.T
	store *store.Store
	raw   *sql.DB
}

func eachHistory(t *testing.T, test func(h *history)) {
	t.Helper()
	for driver, dsn := range map[string]func() string{
		"sqlite": func() string { return filepath.Join(t.TempDir(), "dockit.sqlite") },
		"mysql":  func() string { return mariadbtest.DSN(t) },
	} {
		t.Run(driver, func(t *testing.T) {
			config := store.Config{Dialect: driver, DSN: dsn()}
			s, err := store.Open(t.Context(), config, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			raw, err := sql.Open(driver, config.DSN)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = raw.Close() })
			h := &history{t, s, raw}
			if _, err := s.CreateSubject(t.Context(), store.NewSubject{Ref: ciRef}); err != nil {
				t.Fatal(err)
			}
			test(h)
		})
	}
}

func (h *history) exec(statement string) {
	h.Helper()
	if _, err := h.raw.ExecContext(h.Context(), statement); err != nil {
		h.Fatalf("%s: %v", statement, err)
	}
}

// put back what is changed here.
var putBack = []string{"permissions", "revision", "changes"}

func (h *history) dump() {
	h.Helper()
	for _, table := range putBack {
		h.exec("CREATE TABLE dump_" + table + " AS SELECT * FROM " + table)
	}
}

func (h *history) restore() {
	h.Helper()
	for _, table := range putBack {
		h.exec("DELETE FROM " + table)
		h.exec("INSERT INTO " + table + " SELECT * FROM dump_" + table)
	}
}

func (h *history) grant(permission string) {
	h.Helper()
	p, err := access.ParsePermission(permission)
	if err != nil {
		h.Fatal(err)
	}
	if _, err := h.store.Grant(h.Context(), ciRef, p); err != nil {
		h.Fatal(err)
	}
}

func (h *history) disable() {
	h.Helper()
	yes := true
	if _, err := h.store.UpdateSubject(h.Context(), ciRef, store.SubjectChange{Disabled: &yes}, 0); err != nil {
		h.Fatal(err)
	}
}

// opens lists what the robot may do as a node sees it.
func (h *history) opens(node *Cache) (int, bool) {
	h.Helper()
	login, err := node.Login(h.Context(), ciRef.Name)
	if err != nil {
		h.Fatal(err)
	}
	permissions, err := node.Permissions(h.Context(), login.ID, ciRef)
	if err != nil {
		h.Fatal(err)
	}
	return len(permissions), login.Disabled
}

// TestRestoredDatabaseRepeatsRevisions is about a node that does not ask the
// database while that is put back to an earlier state and changed: a revision
// that it knows, and later ones, are of another history.
func TestRestoredDatabaseRepeatsRevisions(t *testing.T) {
	for name, changes := range map[string]int{"the same number": 0, "higher numbers": 2} {
		t.Run(name, func(t *testing.T) {
			eachHistory(t, func(h *history) {
				h.dump()
				away := New(h.store, zaptest.NewLogger(h))
				h.grant("repository:secret/app:pull")
				if n, _ := h.opens(away); n != 1 {
					h.Fatalf("%d permissions before", n)
				}
				before, err := h.store.Marks(h.Context())
				if err != nil {
					h.Fatal(err)
				}
				h.store.Watch(func(store.Change) {}) // the others are changes of another node
				h.restore()
				h.disable()
				for i := range changes { // which do not concern the robot
					other := subject.Ref{Kind: subject.Robot, Name: fmt.Sprint("other", i)}
					if _, err := h.store.CreateSubject(h.Context(), store.NewSubject{Ref: other}); err != nil {
						h.Fatal(err)
					}
				}
				after, err := h.store.Marks(h.Context())
				if err != nil {
					h.Fatal(err)
				}
				if changes == 0 && before.Revision != after.Revision {
					h.Fatalf("revision %d is not repeated, but %d", before.Revision, after.Revision)
				}
				aged := *away.known.Load() // so that marks are asked for again
				aged.asked = aged.asked.Before(freshness)
				away.known.Store(&aged)
				if n, disabled := h.opens(away); n != 0 || !disabled {
					h.Errorf("%d permissions, disabled %v: of a history that does not count any more", n, disabled)
				}
			})
		})
	}
}

func TestAnotherHistoryBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource("alice")
		d := New(s, zaptest.NewLogger(t))
		d.Start()
		t.Cleanup(d.Close)
		f := &fixture{t, d, s}
		f.wait(time.Second)
		f.gets("alice", 1)
		s.mu.Lock()
		s.marks.Nonce, s.changed["alice"] = 7, 2
		s.mu.Unlock()
		f.wait(time.Second)
		f.gets("alice", 2)
	})
}
