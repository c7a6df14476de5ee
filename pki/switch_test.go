package pki

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A successor that was made before the authority changed stands under the one
// before: when its time comes, it must not take over.
func TestPreparedSuccessorDoesNotBringTheOldAuthorityBack(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Ring, string){
		"rotated": func(t *testing.T, r *Ring, _ string) {
			_, err := r.RotateAuthority(t.Context(), true)
			require.NoError(t, err)
		},
		"revoked": func(t *testing.T, r *Ring, authority string) {
			_, err := r.Revoke(t.Context(), authority)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, store := newClock(), new(memoryStore)
			r := generatedRing(t, store, c, Options{})
			old := bundle(t, r.Bundle(""))[0]
			id, err := thumbprint(old.PublicKey)
			require.NoError(t, err)
			c.advance(DefaultLeafLife/2 + time.Hour) // the successor is there, and not in use
			update(t, r)
			_, records, _ := store.Keys(t.Context())
			require.Len(t, records, 4, "keys: want two authorities, a signing key and its successor")
			change(t, r, id)
			// Past the time that the successor was to take over at.
			follow(t, r, c, DefaultLeafLife/2, time.Hour, func() {
				leaf := signingKey(t, r, "").Chain[0]
				require.Error(t, leaf.CheckSignatureFrom(old), "%s: tokens are signed under the old authority again", c.Now())
			})
		})
	}
}

// Nodes whose clocks are behind may still sign with a key for a moment after
// another one took over: its private key goes when the margin is over, not before.
func TestRetiredPrivateKeyIsKeptForTheMargin(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	r := generatedRing(t, store, c, Options{})
	old := signingKey(t, r, "").ID
	_, err := r.Rotate(t.Context(), "")
	require.NoError(t, err)
	for _, step := range []struct {
		after time.Duration
		has   bool
	}{{time.Minute, true}, {margin, true}, {margin + time.Minute, false}} {
		c.advance(start.Add(step.after).Sub(c.Now()))
		update(t, r)
		_, records, err := store.Keys(t.Context())
		require.NoError(t, err)
		for _, record := range records {
			if record.ID == old {
				assert.Equal(t, step.has, len(record.PrivateKey) > 0, "%s after it retired: private key in the store is %t", step.after, !step.has)
			}
		}
	}
}
