package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const (
	secret = "correct horse battery"
	home   = "192.0.2.1"
)

// fixture is an Authenticator over a real store, in a bubble whose clock moves
// when everything waits. Hashes look like real ones and cost nothing: the
// fixture knows their passwords.
type fixture struct {
	*testing.T
	*Authenticator
	path   string // of a SQLite database
	config store.Config

	// reads counts how often a login was read from the database.
	reads atomic.Int64

	mu     sync.Mutex
	hashes map[string]string
	// compared counts the checks of every hash.
	compared map[string]int
	guesses  int
	// while, unless nil, runs during each check.
	while func()
	// check, unless zero, is how long a hash of today's cost takes to check;
	// others take as long as they are work.
	check time.Duration
}

// bubble runs a test with a fixture. Users alice and bob have the password
// secret.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, filepath.Join(t.TempDir(), "dockit.sqlite"))
		f.user("alice", secret)
		f.user("bob", secret)
		test(t, f)
	})
}

func newFixture(t *testing.T, path string) *fixture {
	t.Helper()
	return newFixtureOn(t, store.Config{Dialect: "sqlite", DSN: path})
}

func newFixtureOn(t *testing.T, config store.Config) *fixture {
	t.Helper()
	f := &fixture{T: t, path: config.DSN, config: config, hashes: map[string]string{}, compared: map[string]int{}}
	f.Authenticator = f.node()
	return f
}

// node is another process on the same database.
func (f *fixture) node() *Authenticator {
	f.Helper()
	logger := zaptest.NewLogger(f)
	s, err := store.Open(f.Context(), f.config, logger)
	if err != nil {
		f.Fatal(err)
	}
	d := cache.New(countingStore{s, &f.reads}, logger)
	a := New(s, d, logger)
	f.Cleanup(func() {
		a.Close()
		d.Close()
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	a.compare = func(hash, pw string) (bool, error) {
		if cost, err := password.CostOf(hash); err == nil && f.check > 0 {
			time.Sleep(time.Duration(cost.Work() * float64(f.check)))
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.compared[hash]++
		if f.while != nil {
			f.while()
		}
		return f.hashes[hash] == pw && pw != "", nil
	}
	return a
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

func (f *fixture) with(options Options) {
	f.Helper()
	var err error
	if f.Authenticator, err = f.With(options); err != nil {
		f.Fatal(err)
	}
}

// hash makes a hash of today's cost.
func (f *fixture) hash(pw string) string {
	hash := password.CurrentCost().Decoy()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hashes[hash] = pw
	return hash
}

func (f *fixture) user(name, pw string) store.Subject {
	f.Helper()
	created, err := f.store.CreateSubject(f.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: f.hash(pw)})
	if err != nil {
		f.Fatal(err)
	}
	return created
}

func (f *fixture) robot(name string) subject.Ref {
	f.Helper()
	ref := subject.Ref{Kind: subject.Robot, Name: name}
	if _, err := f.store.CreateSubject(f.Context(), store.NewSubject{Ref: ref}); err != nil {
		f.Fatal(err)
	}
	return ref
}

func (f *fixture) change(name string, c store.SubjectChange) {
	f.Helper()
	login, err := f.store.Login(f.Context(), name)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := f.store.UpdateSubject(f.Context(), login.Ref, c, 0); err != nil {
		f.Fatal(err)
	}
}

// checks is how many hashes were compared so far.
func (f *fixture) checks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, count := range f.compared {
		n += count
	}
	return n
}

func from(ctx context.Context, address string) context.Context {
	return WithOrigin(ctx, Origin{Address: netip.MustParseAddr(address), Client: "docker/29"})
}

// try logs in by GET.
func (f *fixture) try(name, pw, address string) (Principal, error) {
	return f.Authenticate(from(f.Context(), address), name, pw)
}

// accepted fails the test unless the login succeeds.
func (f *fixture) accepted(name, pw, address string) Principal {
	f.Helper()
	p, err := f.try(name, pw, address)
	if err != nil {
		f.Fatalf("%s from %s: %v", name, address, err)
	}
	return p
}

// refused fails the test unless the credentials are looked at and wrong.
func (f *fixture) refused(name, pw, address string) {
	f.Helper()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	if !errors.Is(err, ErrInvalidCredentials) || errors.As(err, &throttled) {
		f.Fatalf("%s from %s: %v, want %v", name, address, err, ErrInvalidCredentials)
	}
}

// guessed fails the test unless a wrong password that was never tried before is
// looked at and wrong.
func (f *fixture) guessed(name, address string) {
	f.Helper()
	f.refused(name, f.guess(), address)
}

// guess returns another wrong password each time.
func (f *fixture) guess() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guesses++
	return fmt.Sprint("a wrong password ", f.guesses)
}

// occupy takes every turn to be hashed until release is called.
func (f *fixture) occupy() (release func()) {
	f.Helper()
	slots := f.hasher.queue.free
	for range slots {
		if err := f.hasher.queue.enter(f.Context(), source{}, maxWait); err != nil {
			f.Fatal(err)
		}
	}
	return func() {
		for range slots {
			f.hasher.queue.leave()
		}
	}
}

// throttled fails the test unless the credentials are not even looked at, and
// returns for how long that lasts.
func (f *fixture) throttled(name, pw, address string) time.Duration {
	f.Helper()
	before := f.checks()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	if !errors.Is(err, ErrInvalidCredentials) || !errors.As(err, &throttled) {
		f.Fatalf("%s from %s: %v, want it throttled", name, address, err)
	}
	if f.checks() != before {
		f.Fatalf("%s from %s: throttled, and checked all the same", name, address)
	}
	return throttled.RetryAfter
}

// took measures on the clock of the bubble.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
