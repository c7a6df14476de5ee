package cache

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			raw, err := sql.Open(driver, config.DSN)
			require.NoError(t, err)
			t.Cleanup(func() { _ = raw.Close() })
			h := &history{t, s, raw}
			_, err = s.CreateSubject(t.Context(), store.NewSubject{Ref: ciRef})
			require.NoError(t, err)
			test(h)
		})
	}
}

func (h *history) exec(statement string) {
	h.Helper()
	_, err := h.raw.ExecContext(h.Context(), statement)
	require.NoError(h, err, statement)
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
	require.NoError(h, err)
	_, err = h.store.Grant(h.Context(), ciRef, p)
	require.NoError(h, err)
}

func (h *history) disable() {
	h.Helper()
	yes := true
	_, err := h.store.UpdateSubject(h.Context(), ciRef, store.SubjectChange{Disabled: &yes}, 0)
	require.NoError(h, err)
}

// opens reports whether the robot may do what it was granted, and whether it is disabled, as a node sees it.
func (h *history) opens(node *Cache) (granted, disabled bool) {
	h.Helper()
	login, err := node.Login(h.Context(), ciRef.Name)
	require.NoError(h, err)
	rights, err := node.Rights(h.Context(), login.ID, ciRef)
	require.NoError(h, err)
	return rights.Allowed(access.Repository, "secret/app") != 0, login.Disabled
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
				granted, _ := h.opens(away)
				require.True(h, granted, "nothing was granted before")
				before, err := h.store.Marks(h.Context())
				require.NoError(h, err)
				h.store.Watch(func(store.Change) {}) // the others are changes of another node
				h.restore()
				h.disable()
				for i := range changes { // which do not concern the robot
					other := subject.Ref{Kind: subject.Robot, Name: fmt.Sprint("other", i)}
					_, err := h.store.CreateSubject(h.Context(), store.NewSubject{Ref: other})
					require.NoError(h, err)
				}
				after, err := h.store.Marks(h.Context())
				require.NoError(h, err)
				if changes == 0 {
					require.Equal(h, before.Revision, after.Revision, "revision %d is not repeated", before.Revision)
				}
				aged := *away.known.Load() // so that marks are asked for again
				aged.asked = aged.asked.Before(freshness)
				away.known.Store(&aged)
				granted, disabled := h.opens(away)
				assert.False(h, granted, "granted by a history that does not count any more")
				assert.True(h, disabled, "enabled by a history that does not count any more")
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
