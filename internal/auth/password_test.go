package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

func TestAdminAsOfNow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		yes := true
		p := f.accepted("alice", secret, home)
		assert.False(t, p.Admin)
		assert.Equal(t, aliceRef, p.Ref)
		assert.Equal(t, ByPassword, p.Method)
		f.Change("alice", store.SubjectChange{Admin: &yes})
		p = f.accepted("alice", secret, home)
		assert.True(t, p.Admin, "principal %+v", p)
	})
}

// TestRefreshTokenOfAnUpgradedHash logs in with a password whose hash is replaced
// by that: the refresh token belongs to the new one.
func TestRefreshTokenOfAnUpgradedHash(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		f.Compare = password.Verify
		old, err := bcrypt.GenerateFromPassword([]byte(secret), 5)
		require.NoError(t, err)
		hash := string(old)
		f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		refresh, err := f.IssueRefreshToken(t.Context(), f.accepted("alice", secret, home), registry)
		require.NoError(t, err)
		login, err := f.store.Login(t.Context(), "alice")
		require.NoError(t, err)
		require.NotEqual(t, hash, login.PasswordHash)
		f.accepted("alice", refresh, home)
	})
}

// TestOptionsReachThePasswords guards that options of the Authenticator hold where
// passwords are checked.
func TestOptionsReachThePasswords(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{ServeStale: -1, Passwords: passwords.Options{LockoutFailures: 3}})
		for range 3 {
			f.guessed("bob", home)
		}
		f.throttled("bob", secret, home)
		f.accepted("alice", secret, home)
		f.Raw("ALTER TABLE revision RENAME TO revision_gone", "ALTER TABLE subjects RENAME TO subjects_gone")
		time.Sleep(10 * time.Second)
		f.Cache().Status(t.Context())
		_, err := f.try("alice", secret, home)
		require.ErrorIs(t, err, cache.ErrUnavailable, "from memory, which is off")
	})
}

// TestCloseWritesFailures guards that wrong passwords that were counted in memory
// are in the database when a process ends.
func TestCloseWritesFailures(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.Raw("CREATE TRIGGER full_disk BEFORE INSERT ON login_failures BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
		f.guessed("alice", home)
		f.Raw("DROP TRIGGER full_disk")
		require.Zero(t, f.Failures())
		f.Close()
		require.Equal(t, 1, f.Failures())
	})
}
