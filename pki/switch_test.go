package pki

import (
	"testing"
	"time"
)

// A successor that was made before the authority changed stands under the one
// before: when its time comes, it must not take over.
func TestPreparedSuccessorDoesNotBringTheOldAuthorityBack(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Ring, string){
		"rotated": func(t *testing.T, r *Ring, _ string) {
			if _, err := r.RotateAuthority(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		},
		"revoked": func(t *testing.T, r *Ring, authority string) {
			if _, err := r.Revoke(t.Context(), authority); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, store := newClock(), new(memoryStore)
			r := generatedRing(t, store, c, Options{})
			old := bundle(t, r.Bundle(""))[0]
			id, err := thumbprint(old.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			c.advance(DefaultLeafLife/2 + time.Hour) // the successor is there, and not in use
			update(t, r)
			if _, records, _ := store.Keys(t.Context()); len(records) != 4 {
				t.Fatalf("%d keys: want two authorities, a signing key and its successor", len(records))
			}
			change(t, r, id)
			// Past the time that the successor was to take over at.
			follow(t, r, c, DefaultLeafLife/2, time.Hour, func() {
				leaf := signingKey(t, r, "").Chain[0]
				if leaf.CheckSignatureFrom(old) == nil {
					t.Fatalf("%s: tokens are signed under the old authority again", c.Now())
				}
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
	if _, err := r.Rotate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		has   bool
	}{{time.Minute, true}, {margin, true}, {margin + time.Minute, false}} {
		c.advance(start.Add(step.after).Sub(c.Now()))
		update(t, r)
		_, records, err := store.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if record.ID == old && (len(record.PrivateKey) > 0) != step.has {
				t.Errorf("%s after it retired: private key in the store is %t, want %t", step.after, !step.has, step.has)
			}
		}
	}
}
