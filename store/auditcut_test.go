package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
)

// signed makes a statement that is not verified.
func signed(t *testing.T, c audit.Checkpoint) audit.Statement {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c.Certificates = [][]byte{{1}}
	statement, err := c.Sign(key, "ES256")
	require.NoError(t, err)
	return statement
}

func TestCutAudit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		for range 10 {
			advance(time.Hour)
			require.NoError(t, s.RecordEvents(t.Context(), make([]audit.Event, 150)))
		}
		end, err := s.EndOfAudit(t.Context(), audit.Checkpoint{}, began.Add(8*time.Hour+time.Minute))
		require.NoError(t, err)
		require.EqualValues(t, 1200, end.Sequence)
		c := audit.Checkpoint{Number: 1, Sequence: end.Sequence, Hash: end.Hash, Until: end.At, Removed: end.Sequence}
		first := signed(t, c)
		wrong := c
		wrong.Sequence++
		require.ErrorIs(t, s.CutAudit(t.Context(), wrong, first), ErrStale, "cut at another entry")
		require.NoError(t, s.CutAudit(t.Context(), c, first))
		require.ErrorIs(t, s.CutAudit(t.Context(), c, first), ErrStale, "the slower node")
		entries, err := s.AuditEntries(t.Context(), AuditQuery{Limit: 10_000})
		require.NoError(t, err)
		require.Len(t, entries, 300)
		assert.EqualValues(t, 1201, entries[0].Sequence)
		var removed []int64
		for {
			n, err := s.RemoveCutEntries(t.Context())
			require.NoError(t, err)
			if removed = append(removed, n); n == 0 {
				break
			}
		}
		require.Len(t, removed, 3)
		assert.EqualValues(t, 1000, removed[0])
		assert.EqualValues(t, 200, removed[1])
		statements, err := s.AuditCheckpoints(t.Context(), 0, 10)
		require.NoError(t, err)
		assert.Equal(t, []audit.Statement{first}, statements)
		end, err = s.EndOfAudit(t.Context(), c, began.Add(100*time.Hour))
		require.NoError(t, err)
		assert.EqualValues(t, 1500, end.Sequence)
	})
}
