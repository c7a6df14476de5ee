package passwords

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// goAway makes the database answer none of the store's questions.
func (f *fixture) goAway() {
	f.Helper()
	f.Raw("ALTER TABLE revision RENAME TO revision_gone", "ALTER TABLE login_failures RENAME TO login_failures_gone", "ALTER TABLE subjects RENAME TO subjects_gone")
	f.cache.Status(f.Context())
	require.Error(f, f.cache.Unavailable(), "the database is not away")
}

func (f *fixture) comeBack() {
	f.Helper()
	f.Raw("ALTER TABLE revision_gone RENAME TO revision", "ALTER TABLE login_failures_gone RENAME TO login_failures", "ALTER TABLE subjects_gone RENAME TO subjects")
	f.cache.Status(f.Context())
	require.NoError(f, f.cache.Unavailable(), "the database is still away")
}

// A database that can be read and takes no changes, as on a full disk, must not
// make guessing free.
func TestGuessesWhenNothingCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.Raw("CREATE TRIGGER full_disk BEFORE INSERT ON login_failures BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
		for i := range 10 {
			_, err := f.try("alice", fmt.Sprint("guess ", i), home)
			require.ErrorIs(t, err, ErrInvalidCredentials, "guess %d", i)
		}
		f.throttled("alice", secret, home)
		n, err := f.ClearLockout(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"}, "")
		require.NoError(t, err)
		assert.EqualValues(t, 10, n)
		f.accepted("alice", secret, home)
	})
}

// A right password ends the guesses before it, though the database cannot be rid of them.
func TestRightPasswordWhenNothingCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 9 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.Raw("CREATE TRIGGER full_disk BEFORE DELETE ON login_failures BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
		f.accepted("alice", secret, home)
		for i := range 9 {
			f.refused("alice", fmt.Sprint("another ", i), home)
		}
		f.accepted("alice", secret, home)
	})
}

// While the database is away, nothing must show a guesser which users are in memory.
func TestGuessesWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		f.goAway()
		took := map[string]time.Duration{}
		for _, name := range []string{"alice", "bob", "nobody"} {
			began := time.Now()
			for i := range 15 {
				_, err := f.try(name, fmt.Sprint("guess ", i), "198.51.100.7")
				require.ErrorIs(t, err, cache.ErrUnavailable, "guess %d for %s", i, name)
				require.NotErrorIs(t, err, ErrInvalidCredentials, "guess %d for %s", i, name)
			}
			took[name] = time.Since(began)
		}
		assert.Equal(t, took["nobody"], took["alice"], "guesses took %v", took)
		assert.Equal(t, took["bob"], took["alice"], "guesses took %v", took)
		assert.GreaterOrEqual(t, took["alice"], 10*time.Second, "guesses took %v", took)
		f.accepted("alice", secret, home)
		f.comeBack()
		f.accepted("bob", secret, "198.51.100.7") // a user who was not in memory was not locked out
		f.throttled("alice", secret, "198.51.100.7")
	})
}

// A database that answers others and not the question for failures in time keeps
// no user out, and makes guessing no cheaper.
func TestFailuresThatCannotBeReadInTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		f.guard.stored = func(ctx context.Context, _ string, _ time.Time, _ string, _ time.Time) ([]store.Failure, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		f.accepted("alice", secret, "198.51.100.7")
		for i := range 10 {
			f.refused("alice", fmt.Sprint("guess ", i), "203.0.113.9")
		}
		f.throttled("alice", secret, "203.0.113.9")
	})
}

func TestClearedLockoutStaysCleared(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		for i := range 10 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.throttled("alice", secret, home)
		_, err := f.ClearLockout(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"}, "")
		require.NoError(t, err)
		f.accepted("alice", secret, home)
		f.goAway()
		f.accepted("alice", secret, home)
	})
}

// A right password that is remembered must not be found by a client that guesses
// many at once, before the first of them is counted.
func TestRememberedPasswordWaitsForGuesses(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 3 { // until no query is needed
			f.accepted("alice", secret, home)
		}
		guessing := make(chan struct{})
		f.DuringCheck = func() { <-guessing }
		guess, right := make(chan error, 1), make(chan error, 1)
		go func() { _, err := f.try("alice", "a guess", home); guess <- err }()
		synctest.Wait()
		go func() { _, err := f.try("alice", secret, home); right <- err }()
		synctest.Wait()
		select {
		case err := <-right:
			t.Errorf("answered with %v while a guess is being checked", err)
		default:
		}
		close(guessing)
		assert.ErrorIs(t, <-guess, ErrInvalidCredentials)
	})
}

// A lockout goes on while the database is away, at a node that knew of it.
func TestLockoutWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		for i := range 10 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.throttled("alice", secret, home)
		f.goAway()
		_, err := f.try("alice", secret, home)
		require.ErrorIs(t, err, cache.ErrUnavailable, "who is locked out")
		f.accepted("alice", secret, "192.0.2.2")
		time.Sleep(15*time.Minute + time.Second)
		f.accepted("alice", secret, home)
	})
}

// A lockout that began while the database was away is one at every node
// afterwards, also when most of its wrong passwords came before.
func TestLockoutOfAnOutageIsMerged(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		for i := range 6 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.goAway()
		for i := range 4 {
			_, err := f.try("alice", fmt.Sprint("guess ", 6+i), home)
			require.ErrorIs(t, err, cache.ErrUnavailable)
		}
		_, err := f.try("alice", secret, home)
		require.ErrorIs(t, err, cache.ErrUnavailable, "who is locked out")
		f.comeBack()
		time.Sleep(2 * rewriteInterval)
		other := f.elsewhere()
		other.throttled("alice", secret, home)
		failures, err := f.store.Failures(context.Background(), "alice", time.Time{}, "", time.Time{})
		require.NoError(t, err)
		assert.Len(t, failures, 10)
	})
}
