package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// raw changes the database behind the back of the store.
func (f *fixture) raw(statements ...string) {
	f.Helper()
	db, err := sql.Open("sqlite", f.path)
	if err != nil {
		f.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(f.Context(), statement); err != nil {
			f.Fatal(err)
		}
	}
}

// goAway makes the database answer nothing that anybody asks for.
func (f *fixture) goAway() {
	f.Helper()
	f.raw("ALTER TABLE revision RENAME TO revision_gone", "ALTER TABLE login_failures RENAME TO login_failures_gone", "ALTER TABLE subjects RENAME TO subjects_gone")
	f.cache.Status(f.Context())
	if f.cache.Unavailable() == nil {
		f.Fatal("the database is not away")
	}
}

func (f *fixture) comeBack() {
	f.Helper()
	f.raw("ALTER TABLE revision_gone RENAME TO revision", "ALTER TABLE login_failures_gone RENAME TO login_failures", "ALTER TABLE subjects_gone RENAME TO subjects")
	f.cache.Status(f.Context())
	if f.cache.Unavailable() != nil {
		f.Fatal("the database is still away")
	}
}

// A database that can be read and takes no changes, as on a full disk, must not
// make guessing free.
func TestGuessesWhenNothingCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.raw("CREATE TRIGGER full_disk BEFORE INSERT ON login_failures BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
		for i := range 10 {
			if _, err := f.try("alice", fmt.Sprint("guess ", i), home); !errors.Is(err, ErrInvalidCredentials) {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		f.throttled("alice", secret, home)
		if n, err := f.ClearLockout(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"}, ""); err != nil || n != 10 {
			t.Errorf("cleared %d, %v", n, err)
		}
		f.accepted("alice", secret, home)
	})
}

// While the database is away, nothing must show who is in memory.
func TestGuessesWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		f.goAway()
		took := map[string]time.Duration{}
		for _, name := range []string{"alice", "bob", "nobody"} {
			began := time.Now()
			for i := range 15 {
				if _, err := f.try(name, fmt.Sprint("guess ", i), "198.51.100.7"); !errors.Is(err, cache.ErrUnavailable) || errors.Is(err, ErrInvalidCredentials) {
					t.Errorf("guess %d for %s: %v", i, name, err)
				}
			}
			took[name] = time.Since(began)
		}
		if took["alice"] != took["nobody"] || took["alice"] != took["bob"] || took["alice"] < 10*time.Second {
			t.Errorf("guesses took %v", took)
		}
		f.accepted("alice", secret, home)
		f.comeBack()
		f.accepted("bob", secret, "198.51.100.7") // who could not be known was not locked out
		f.throttled("alice", secret, "198.51.100.7")
	})
}

// A database that answers others and not the question for failures in time keeps
// nobody out, and makes guessing no cheaper.
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
		if _, err := f.ClearLockout(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"}, ""); err != nil {
			t.Fatal(err)
		}
		f.accepted("alice", secret, home)
		f.goAway()
		f.accepted("alice", secret, home)
	})
}

// A right password that is remembered must not be found by whoever guesses many
// at once, before the first of them is counted.
func TestRememberedPasswordWaitsForGuesses(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 3 { // until no query is needed
			f.accepted("alice", secret, home)
		}
		guessing := make(chan struct{})
		f.while = func() { <-guessing }
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
		if err := <-guess; !errors.Is(err, ErrInvalidCredentials) {
			t.Error(err)
		}
	})
}
