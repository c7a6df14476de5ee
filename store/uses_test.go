package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecordUses(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		create(t, s, "robot:ci")
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		refreshToken(t, s, "r", alice, "$a")
		use := Use{At: advance(time.Hour), Address: "192.0.2.7", Client: "docker/29"}
		record := func(uses Uses) {
			t.Helper()
			require.NoError(t, s.RecordUses(t.Context(), uses))
		}
		record(Uses{
			AccessTokens:  map[string]Use{"a": use, "revoked": use},
			RefreshTokens: map[string]Use{"r": use},
			Networks:      map[LoginNetwork]time.Time{{alice, "192.0.2.7/32"}: use.At, {4711, "192.0.2.7/32"}: use.At},
		})
		lastUses := func() (accessToken, refreshToken Use) {
			t.Helper()
			a, err := s.AccessToken(t.Context(), "a")
			require.NoError(t, err)
			r, err := s.RefreshToken(t.Context(), "r")
			require.NoError(t, err)
			return a.LastUse, r.LastUse
		}
		a, r := lastUses()
		require.Equal(t, use, a)
		require.Equal(t, use, r)
		earlier := Use{At: use.At.Add(-time.Minute), Address: "192.0.2.8"}
		record(Uses{AccessTokens: map[string]Use{"a": earlier}, RefreshTokens: map[string]Use{"r": earlier}})
		a, r = lastUses()
		assert.Equal(t, use, a, "an earlier use of another node counts")
		assert.Equal(t, use, r, "an earlier use of another node counts")
		record(Uses{})
	})
}

func TestKnowsNetwork(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		home := LoginNetwork{alice, "192.0.2.7/32"}
		log := func(n LoginNetwork) {
			t.Helper()
			require.NoError(t, s.RecordUses(t.Context(), Uses{Networks: map[LoginNetwork]time.Time{n: advance(0)}}))
		}
		known := func(name, network string, want bool) {
			t.Helper()
			got, err := s.KnowsNetwork(t.Context(), name, network)
			require.NoError(t, err, "KnowsNetwork(%s, %s)", name, network)
			assert.Equal(t, want, got, "KnowsNetwork(%s, %s)", name, network)
			if name == "alice" { // who alone logs in
				got, err := s.IsLoginNetwork(t.Context(), network)
				require.NoError(t, err, "IsLoginNetwork(%s)", network)
				assert.Equal(t, want, got, "IsLoginNetwork(%s)", network)
			}
		}
		log(home)
		known("alice", home.Network, true)
		known("alice", "192.0.2.8/32", false)
		known("bob", home.Network, false)
		advance(60 * 24 * time.Hour)
		log(home)
		advance(60 * 24 * time.Hour)
		known("alice", home.Network, true)
		advance(31 * 24 * time.Hour)
		known("alice", home.Network, false)
		log(LoginNetwork{alice, "192.0.2.9/32"})
		var rows int
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_networks").Scan(&rows))
		assert.Equal(t, 1, rows)
	})
}
