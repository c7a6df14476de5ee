package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpiringAccessTokens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		now := at(s)(0)
		none, err := s.ExpiringAccessTokens(t.Context())
		require.NoError(t, err)
		assert.Zero(t, none)
		create(t, s, "user:alice", "robot:ci")
		for id, life := range map[string]time.Duration{"past": -time.Hour, "hour": time.Hour, "week": 7 * 24 * time.Hour, "month": 8 * 24 * time.Hour, "year": 365 * 24 * time.Hour} {
			accessToken(t, s, "robot:ci", id, id, now.Add(life))
		}
		accessToken(t, s, "robot:ci", "ever", "ever", time.Time{})
		accessToken(t, s, "user:alice", "hers", "hers", now.Add(time.Minute))
		yes := true
		_, err = s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &yes}, 0)
		require.NoError(t, err)
		found, err := s.ExpiringAccessTokens(t.Context())
		require.NoError(t, err)
		assert.Equal(t, Expiring{Day: 1, Week: 2, Month: 3, Next: now.Add(time.Hour)}, found)
	})
}
