package auth

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/auth/authtest"
	"github.com/dockit-registry/dockit/store"
)

const (
	secret = "correct horse battery"
	home   = "192.0.2.1"
)

// fixture is an Authenticator over a real store, in a bubble whose clock moves
// when everything waits.
type fixture struct {
	*authtest.Database
	*Authenticator
}

// bubble runs a test with a fixture. Users alice and bob have the password
// secret.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")})
		f.User("alice", secret)
		f.User("bob", secret)
		test(t, f)
	})
}

func newFixture(t *testing.T, config store.Config) *fixture {
	t.Helper()
	f := &fixture{Database: authtest.New(t, config)}
	f.Authenticator = f.node()
	return f
}

// node is another process on the same database.
func (f *fixture) node() *Authenticator {
	f.Helper()
	s, d := f.Open()
	a := newAuthenticator(s, d, zaptest.NewLogger(f), f.Verify)
	f.Cleanup(a.Close)
	return a
}

// elsewhere is the fixture at another node.
func (f *fixture) elsewhere() *fixture {
	f.Helper()
	return &fixture{Database: f.Database, Authenticator: f.node()}
}

func (f *fixture) with(options Options) {
	f.Helper()
	var err error
	f.Authenticator, err = f.With(options)
	require.NoError(f, err)
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
	require.NoError(f, err, "%s from %s", name, address)
	return p
}

// refused fails the test unless the credentials are looked at and wrong.
func (f *fixture) refused(name, pw, address string) {
	f.Helper()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	require.ErrorIs(f, err, ErrInvalidCredentials, "%s from %s", name, address)
	require.NotErrorAs(f, err, &throttled, "%s from %s", name, address)
}

// guessed fails the test unless a wrong password that was never tried before is
// looked at and wrong.
func (f *fixture) guessed(name, address string) {
	f.Helper()
	f.refused(name, f.Guess(), address)
}

// occupy has passwords checked until nothing more is checked at a time; they are
// when release is called.
func (f *fixture) occupy() (release func()) {
	f.Helper()
	var (
		asking   sync.WaitGroup
		checking atomic.Int64
		held     = make(chan struct{})
	)
	f.DuringCheck = func() {
		checking.Add(1)
		<-held
	}
	for before := int64(-1); checking.Load() > before; synctest.Wait() {
		before = checking.Load()
		asking.Go(func() { _, _ = f.try(fmt.Sprint("occupant", before), f.Guess(), "198.51.100.7") })
	}
	return func() {
		close(held)
		asking.Wait()
	}
}

// throttled fails the test unless the credentials are not even looked at, and
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
