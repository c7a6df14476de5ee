package passwords

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestLockoutIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		core, logs := observer.New(zap.WarnLevel)
		f.logger = zap.New(core)
		for i := range f.options.LockoutFailures {
			require.Zero(t, logs.Len(), "after %d wrong passwords: %v", i, logs.All())
			f.refused("alice", fmt.Sprint("planted", i), home)
			f.refused("planted-name", fmt.Sprint("planted", i), home)
		}
		lines := logs.All()
		require.Len(t, lines, 2)
		got := lines[0].ContextMap()
		assert.Equal(t, "alice", got["subject"], "logged %v", got)
		assert.Equal(t, home+"/32", got["client_network"], "logged %v", got)
		assert.Equal(t, int64(10), got["failures"], "logged %v", got)
		assert.NotContains(t, fmt.Sprint(lines), "planted", "what may be a password is in the log")
		f.throttled("alice", "another", home)
		assert.Equal(t, 2, logs.Len(), "told again of the same lockout")
	})
}

func TestLockouts(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{LockoutFailures: 3, LockoutDuration: time.Hour})
		began := time.Now().UTC()
		f.guessed("bob", home)
		time.Sleep(time.Minute)
		for range 3 {
			f.guessed("alice", home)
		}
		last := time.Now().UTC()
		time.Sleep(time.Minute)
		f.guessed("alice", "2001:db8::1")
		time.Sleep(time.Minute)
		f.guessed("nobody", home)
		listed := func(want ...Lockout) {
			t.Helper()
			got, err := f.Lockouts(t.Context())
			require.NoError(t, err, "listed")
			assert.Equal(t, append([]Lockout{}, want...), got, "listed")
		}
		alice := Lockout{Username: "alice", Network: "192.0.2.1/32", Failures: 3, Last: last, Until: last.Add(time.Hour)}
		listed(
			Lockout{Network: "192.0.2.1/32", Failures: 1, Last: last.Add(2 * time.Minute)},
			Lockout{Username: "alice", Network: "2001:db8::/64", Failures: 1, Last: last.Add(time.Minute)},
			alice,
			Lockout{Username: "bob", Network: "192.0.2.1/32", Failures: 1, Last: began},
		)
		time.Sleep(20 * time.Minute)
		alice.Failures = 0
		listed(alice)
		f.throttled("alice", secret, home)
		n, err := f.store.ClearLockout(t.Context(), aliceRef, alice.Network)
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		listed()
		f.accepted("alice", secret, home)
	})
}
