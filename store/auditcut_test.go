package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/audit"
)

// signed makes a statement that nobody verifies.
func signed(t *testing.T, c audit.Checkpoint) audit.Statement {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.Certificates = [][]byte{{1}}
	statement, err := c.Sign(key, "ES256")
	if err != nil {
		t.Fatal(err)
	}
	return statement
}

func TestCutAudit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		for range 10 {
			advance(time.Hour)
			if err := s.RecordEvents(t.Context(), make([]audit.Event, 150)); err != nil {
				t.Fatal(err)
			}
		}
		end, err := s.EndOfAudit(t.Context(), audit.Checkpoint{}, began.Add(8*time.Hour+time.Minute))
		if err != nil || end.Sequence != 1200 {
			t.Fatalf("the end is %d, %v", end.Sequence, err)
		}
		c := audit.Checkpoint{Number: 1, Sequence: end.Sequence, Hash: end.Hash, Until: end.At, Removed: end.Sequence}
		first := signed(t, c)
		wrong := c
		wrong.Sequence++
		if err := s.CutAudit(t.Context(), wrong, first); !errors.Is(err, ErrStale) {
			t.Errorf("cut at another entry: %v", err)
		}
		if err := s.CutAudit(t.Context(), c, first); err != nil {
			t.Fatal(err)
		}
		if err := s.CutAudit(t.Context(), c, first); !errors.Is(err, ErrStale) {
			t.Errorf("the slower node: %v", err)
		}
		entries, err := s.AuditEntries(t.Context(), AuditQuery{Limit: 10_000})
		if err != nil || len(entries) != 300 || entries[0].Sequence != 1201 {
			t.Errorf("%d entries are listed, %v", len(entries), err)
		}
		var removed []int64
		for {
			n, err := s.RemoveCutEntries(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if removed = append(removed, n); n == 0 {
				break
			}
		}
		if len(removed) != 3 || removed[0] != 1000 || removed[1] != 200 {
			t.Errorf("removed %v", removed)
		}
		statements, err := s.AuditCheckpoints(t.Context(), 0, 10)
		if err != nil || len(statements) != 1 || statements[0] != first {
			t.Errorf("checkpoints %v, %v", statements, err)
		}
		end, err = s.EndOfAudit(t.Context(), c, began.Add(100*time.Hour))
		if err != nil || end.Sequence != 1500 {
			t.Errorf("the rest ends at %d, %v", end.Sequence, err)
		}
	})
}
