// Package authtest is a database with users, for tests of authentication. It
// stands on a real store. Hashes look like real ones and cost nothing to check: the
// database knows their passwords.
package authtest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Database is a database of a test.
type Database struct {
	*testing.T
	// Store is that of the first node.
	Store *store.Store
	// Compare says whether a password is that of a hash. Default: as the database
	// knows it.
	Compare func(hash, password string) (bool, error)
	// CheckTakes, unless zero, is how long a hash of today's cost takes to check;
	// others take as long as they are work.
	CheckTakes time.Duration
	// DuringCheck, unless nil, runs during each check.
	DuringCheck func()
	// Reads counts how often a login was read from the database.
	Reads atomic.Int64

	config store.Config

	mu     sync.Mutex
	hashes map[string]string
	// compared counts the checks of every hash.
	compared map[string]int
	guesses  int
}

// New makes a database of a configuration, without a node.
func New(t *testing.T, config store.Config) *Database {
	d := &Database{T: t, config: config, hashes: map[string]string{}, compared: map[string]int{}}
	d.Compare = d.knows
	return d
}

// Open opens the database as another process does, until the end of the test.
func (d *Database) Open() (*store.Store, *cache.Cache) {
	d.Helper()
	logger := zaptest.NewLogger(d)
	s, err := store.Open(d.Context(), d.config, logger)
	require.NoError(d, err)
	if d.Store == nil {
		d.Store = s
	}
	c := cache.New(countingStore{s, &d.Reads}, logger)
	d.Cleanup(func() {
		c.Close()
		assert.NoError(d, s.Close())
	})
	return s, c
}

// countingStore counts the logins that are read from a store.
type countingStore struct {
	*store.Store
	reads *atomic.Int64
}

func (s countingStore) Login(ctx context.Context, name string) (store.Login, error) {
	s.reads.Add(1)
	return s.Store.Login(ctx, name)
}

// Raw changes the database, which is one of SQLite, behind the back of the store.
func (d *Database) Raw(statements ...string) {
	d.Helper()
	db, err := sql.Open("sqlite", d.config.DSN)
	require.NoError(d, err)
	defer db.Close()
	for _, statement := range statements {
		_, err := db.ExecContext(d.Context(), statement)
		require.NoError(d, err)
	}
}

// Hash makes a hash of today's cost.
func (d *Database) Hash(pw string) string {
	hash := password.CurrentCost().Decoy()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hashes[hash] = pw
	return hash
}

// Verify compares a password with a hash, and counts it.
func (d *Database) Verify(hash, pw string) (bool, error) { return d.Compare(hash, pw) }

func (d *Database) knows(hash, pw string) (bool, error) {
	if cost, err := password.CostOf(hash); err == nil && d.CheckTakes > 0 {
		time.Sleep(time.Duration(cost.Work() * float64(d.CheckTakes)))
	}
	d.mu.Lock()
	d.compared[hash]++
	d.mu.Unlock()
	if d.DuringCheck != nil {
		d.DuringCheck()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hashes[hash] == pw && pw != "", nil
}

// Checks is how many hashes were compared so far.
func (d *Database) Checks() int {
	n := 0
	for _, count := range d.Compared() {
		n += count
	}
	return n
}

// Compared is how often each hash was compared so far.
func (d *Database) Compared() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.compared)
}

// ForgetChecks counts checks anew.
func (d *Database) ForgetChecks() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.compared)
}

// Guess returns another wrong password each time.
func (d *Database) Guess() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guesses++
	return fmt.Sprint("a wrong password ", d.guesses)
}

// User makes a user with a password.
func (d *Database) User(name, pw string) {
	d.Helper()
	d.UserWithHash(name, d.Hash(pw))
}

// UserWithHash makes a user with a hash from elsewhere.
func (d *Database) UserWithHash(name, hash string) {
	d.Helper()
	ref := subject.Ref{Kind: subject.User, Name: name}
	_, err := d.Store.CreateSubject(d.Context(), store.NewSubject{Ref: ref, PasswordHash: hash})
	require.NoError(d, err)
}

// Robot makes a robot.
func (d *Database) Robot(name string) subject.Ref {
	d.Helper()
	ref := subject.Ref{Kind: subject.Robot, Name: name}
	_, err := d.Store.CreateSubject(d.Context(), store.NewSubject{Ref: ref})
	require.NoError(d, err)
	return ref
}

// Change changes a user or robot.
func (d *Database) Change(name string, c store.SubjectChange) {
	d.Helper()
	login, err := d.Store.Login(d.Context(), name)
	require.NoError(d, err)
	_, err = d.Store.UpdateSubject(d.Context(), login.Ref, c, 0)
	require.NoError(d, err)
}

// Failures is how many wrong passwords are counted within the window of a
// lockout.
func (d *Database) Failures() int {
	d.Helper()
	failures, err := d.Store.RecentFailures(d.Context(), time.Now().Add(-15*time.Minute))
	require.NoError(d, err)
	return len(failures)
}
