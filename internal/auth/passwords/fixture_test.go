package passwords

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/auth/authtest"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const (
	secret = "correct horse battery"
	home   = "192.0.2.1"
)

var aliceRef = subject.Ref{Kind: subject.User, Name: "alice"}

// fixture is a Checker over a real store, in a bubble whose clock moves when
// everything waits.
type fixture struct {
	*authtest.Database
	*Checker

	mu sync.Mutex
	// logins are those that the Checker announced, and that are not recorded.
	logins map[store.LoginNetwork]time.Time
}

// bubble runs a test with a fixture. Users alice and bob have the password
// secret.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		config := store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}
		f := &fixture{Database: authtest.New(t, config), logins: map[store.LoginNetwork]time.Time{}}
		f.Checker = f.node()
		f.User("alice", secret)
		f.User("bob", secret)
		test(t, f)
	})
}

// node is another process on the same database.
func (f *fixture) node() *Checker {
	f.Helper()
	s, d := f.Open()
	c := New(Config{Store: s, Cache: d, Logger: zaptest.NewLogger(f), Verify: f.Verify, LoggedIn: f.loggedIn})
	f.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// elsewhere is the fixture at another node.
func (f *fixture) elsewhere() *fixture {
	f.Helper()
	return &fixture{Database: f.Database, Checker: f.node(), logins: map[store.LoginNetwork]time.Time{}}
}

func (f *fixture) loggedIn(n store.LoginNetwork) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins[n] = f.Store.Now()
}

// record writes down where users logged in from.
func (f *fixture) record() {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NoError(f, f.Store.RecordUses(f.Context(), store.Uses{Networks: maps.Clone(f.logins)}))
	clear(f.logins)
}

func (f *fixture) with(options Options) {
	f.Helper()
	var err error
	f.Checker, err = f.With(f.cache, options)
	require.NoError(f, err)
}

// occupy takes every turn to be hashed until release is called.
func (f *fixture) occupy() (release func()) {
	f.Helper()
	slots := f.hasher.queue.free
	for range slots {
		require.NoError(f, f.hasher.queue.enter(f.Context(), source{}, maxWait))
	}
	return func() {
		for range slots {
			f.hasher.queue.leave()
		}
	}
}

func from(address, name, pw string) Request {
	return Request{Username: name, Password: pw, Address: netip.MustParseAddr(address)}
}

// try checks a password.
func (f *fixture) try(name, pw, address string) (Result, error) {
	return f.Check(f.Context(), from(address, name, pw))
}

// accepted fails the test unless the password is right.
func (f *fixture) accepted(name, pw, address string) {
	f.Helper()
	_, err := f.try(name, pw, address)
	require.NoError(f, err, "%s from %s", name, address)
}

// refused fails the test unless the password is looked at and wrong.
func (f *fixture) refused(name, pw, address string) {
	f.Helper()
	result, err := f.try(name, pw, address)
	var throttled *ThrottledError
	require.ErrorIs(f, err, ErrInvalidCredentials, "%s from %s", name, address)
	require.NotErrorAs(f, err, &throttled, "%s from %s", name, address)
	require.Zero(f, result.Login.ID, "%s from %s: refused, and logged in all the same: %v", name, address, result.Login)
	require.Empty(f, result.Login.PasswordHash, "%s from %s: refused, and logged in all the same: %v", name, address, result.Login)
}

// guessed fails the test unless a wrong password that was never tried before is
// looked at and wrong.
func (f *fixture) guessed(name, address string) {
	f.Helper()
	f.refused(name, f.Guess(), address)
}

// throttled fails the test unless the password is not even looked at, and
// returns for how long that lasts.
func (f *fixture) throttled(name, pw, address string) time.Duration {
	f.Helper()
	before := f.Checks()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	require.ErrorIs(f, err, ErrInvalidCredentials, "%s from %s: want it throttled", name, address)
	require.ErrorAs(f, err, &throttled, "%s from %s: want it throttled", name, address)
	require.Equal(f, before, f.Checks(), "%s from %s: throttled, and checked all the same", name, address)
	return throttled.RetryAfter
}

// took measures on the clock of the bubble.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
