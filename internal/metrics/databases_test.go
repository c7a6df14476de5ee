package metrics

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// node is a database with what stands on it.
type node struct {
	store *store.Store
	cache *cache.Cache
	auth  *auth.Authenticator
}

func newNode(t *testing.T, path string) node {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: path}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	n := node{store: s, cache: cache.New(s, zap.NewNop())}
	n.auth = auth.New(s, n.cache, zap.NewNop())
	t.Cleanup(n.auth.Close)
	return n
}

func (n node) addTo(m *Databases) { m.Add(n.store, n.cache, n.auth) }

// TestDatabases guards that the metrics are those of the newest configuration's
// database.
func TestDatabases(t *testing.T) {
	databases := new(Databases)
	assert.Empty(t, gathered(t, databases))
	answers, away := newNode(t, filepath.Join(t.TempDir(), "a.sqlite")), newNode(t, filepath.Join(t.TempDir(), "b.sqlite"))
	require.NoError(t, away.store.Close())
	_, err := away.cache.AnonymousRights(t.Context())
	require.ErrorIs(t, err, cache.ErrUnavailable)

	answers.addTo(databases)
	values := gathered(t, databases)
	assert.EqualValues(t, 1, values["dockit_database_up"])
	assert.NotContains(t, values, "dockit_clock_skew_seconds", "SQLite has no clock of its own")
	away.addTo(databases)
	values = gathered(t, databases)
	assert.Zero(t, values["dockit_database_up"])
	assert.NotContains(t, values, "dockit_locked_out", "nobody knows")
	answers.addTo(databases) // a configuration with the first one's database
	assert.EqualValues(t, 1, gathered(t, databases)["dockit_database_up"])
	databases.Remove(answers.store) // of the first
	databases.Remove(answers.store)
	assert.EqualValues(t, 0, gathered(t, databases)["dockit_database_up"])
	databases.Remove(away.store)
	databases.Remove(away.store)
	assert.Empty(t, gathered(t, databases))
}

// TestRevisionOfNodes guards that two nodes show the same revision once both have
// heard of a change, and that what they look up counts as a hit or a miss.
func TestRevisionOfNodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	one, other := newNode(t, path), newNode(t, path)
	ref := subject.Ref{Kind: subject.Robot, Name: "ci"}
	look := func(n node) map[string]int64 {
		_, err := n.cache.AnonymousRights(t.Context())
		require.NoError(t, err)
		databases := new(Databases)
		n.addTo(databases)
		return gathered(t, databases)
	}
	before := look(one)["dockit_revision"]
	require.Positive(t, look(other)["dockit_revision"])
	created, err := one.store.CreateSubject(t.Context(), store.NewSubject{Ref: ref})
	require.NoError(t, err)
	require.NoError(t, one.store.DeleteSubject(t.Context(), ref, store.Precondition(created.Version)))
	assert.Greater(t, look(one)["dockit_revision"], before)
	require.Eventually(t, func() bool { return look(other)["dockit_revision"] == look(one)["dockit_revision"] }, time.Minute, 10*time.Millisecond)
	values := look(other)
	assert.Positive(t, values["dockit_cache_lookups_total kind=rights result=hit"])
	assert.Positive(t, values["dockit_cache_lookups_total kind=rights result=miss"])
	assert.EqualValues(t, 1, values["dockit_cache_entries kind=rights"])
	assert.Positive(t, values["dockit_cache_bytes kind=rights"])
	assert.Zero(t, values["dockit_cache_lookups_total kind=access_token result=miss"])
}

// TestLogins guards what is counted of passwords, and what is known of lockouts and of
// tokens that end soon.
func TestLogins(t *testing.T) {
	n := newNode(t, filepath.Join(t.TempDir(), "dockit.sqlite"))
	logins, databases := NewLogins(), new(Databases)
	logins.Observe(n.auth)
	n.auth.ObserveLockouts(func(auth.Lockout) { logins.LockedOut() })
	var options auth.Options
	options.Passwords.LockoutFailures = 1
	var err error
	n.auth, err = n.auth.With(options)
	require.NoError(t, err)
	n.addTo(databases)

	hash, err := password.Hash("correct horse battery")
	require.NoError(t, err)
	alice := subject.Ref{Kind: subject.User, Name: "alice"}
	_, err = n.store.CreateSubject(t.Context(), store.NewSubject{Ref: alice, PasswordHash: hash})
	require.NoError(t, err)
	for name, life := range map[string]time.Duration{"day": time.Hour, "week": 48 * time.Hour, "later": 400 * 24 * time.Hour} {
		_, err := n.store.CreateAccessToken(t.Context(), store.NewAccessToken{ID: name, Owner: alice, Name: name, Hash: []byte("x"), ExpiresAt: time.Now().Add(life)})
		require.NoError(t, err)
	}
	ctx := auth.WithOrigin(t.Context(), auth.Origin{Address: netip.MustParseAddr("192.0.2.1")})
	_, err = n.auth.Authenticate(ctx, "alice", "correct horse battery")
	require.NoError(t, err)
	_, err = n.auth.Authenticate(ctx, "alice", "a wrong one")
	require.ErrorIs(t, err, auth.ErrInvalidCredentials)

	counted := gathered(t, logins.Collectors()...)
	assert.Equal(t, map[string]int64{
		"dockit_lockouts_total": 1, "dockit_password_check_wait_seconds": 2, "dockit_password_check_duration_seconds": 2,
	}, counted)
	values := gathered(t, databases)
	assert.EqualValues(t, 1, values["dockit_locked_out"])
	assert.EqualValues(t, 1, values["dockit_access_tokens_expiring within=1d"])
	assert.EqualValues(t, 2, values["dockit_access_tokens_expiring within=7d"])
	assert.EqualValues(t, 2, values["dockit_access_tokens_expiring within=30d"])
	assert.InDelta(t, time.Now().Add(time.Hour).Unix(), values["dockit_access_token_next_expiry_timestamp_seconds"], 60)
	assert.Positive(t, values["dockit_password_check_slots"])
	assert.Zero(t, values["dockit_password_checks_running"])
	assert.Positive(t, values["dockit_password_attempts_room"])

	require.NoError(t, n.store.Close()) // what is known is served for a while, without asking
	gathered(t, databases)
}
