package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
)

// follow runs maintenance step by step through a length of time, and calls
// check after each step.
func follow(t *testing.T, r *Ring, c *clock, length, step time.Duration, check func()) {
	t.Helper()
	for passed := time.Duration(0); passed < length; passed += step {
		c.advance(step)
		r.tick(t.Context())
		check()
	}
}

func TestSigningCertificatesFollowEachOther(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	// What a registry read when it started, and never again.
	anchors := bundle(t, r.Bundle(""))

	type reign struct {
		id    string
		since time.Time
	}
	var reigns []reign
	published := map[string]time.Time{}
	lastUse := map[string]time.Time{}
	follow(t, r, c, 35*24*time.Hour, time.Hour, func() {
		now := c.Now()
		key := signingKey(t, r, "")
		leaf := key.Chain[0]
		if err := verify(now, anchors, leaf); err != nil {
			t.Fatalf("%s: %v", now, err)
		}
		if err := verify(now.Add(DefaultTokenTTL+2*time.Minute), anchors, leaf); err != nil {
			t.Fatalf("%s: a token signed now outlives its certificate: %v", now, err)
		}
		if len(reigns) == 0 || reigns[len(reigns)-1].id != key.ID {
			reigns = append(reigns, reign{key.ID, now})
			if since, ok := published[key.ID]; len(reigns) > 1 && (!ok || now.Sub(since) < 12*time.Hour) {
				t.Errorf("%s: key %s in use, published since %s", now, key.ID, since)
			}
		}
		lastUse[key.ID] = now
		for _, jwk := range r.KeySet("").Keys {
			if _, ok := published[jwk.KeyID]; !ok {
				published[jwk.KeyID] = now
			}
		}
		for id, used := range lastUse {
			if now.Before(used.Add(DefaultTokenTTL)) && !publishes(r, "", id) {
				t.Errorf("%s: key %s is not published, but signed at %s", now, id, used)
			}
		}
		if got := len(r.KeySet("").Keys); got > 3 {
			t.Errorf("%s: %d keys published", now, got)
		}
	})
	if len(reigns) < 8 || len(reigns) > 11 {
		t.Errorf("%d keys in 35 days", len(reigns))
	}
	if got := reigns[1].since.Sub(start); got < 111*time.Hour || got > 113*time.Hour {
		t.Errorf("first key replaced after %s, want two thirds of its life", got)
	}
	if stats := r.Stats(); int(stats.Rotations) != len(reigns)-1 || stats.Failures != 0 {
		t.Errorf("stats: %+v", stats)
	}
}

func TestPrivateKeysOfRetiredKeysAreForgotten(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	r := generatedRing(t, store, c, Options{})
	old := signingKey(t, r, "").ID
	c.advance(time.Minute)
	if _, err := r.Rotate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	find := func() *Record {
		_, records, err := store.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if record.ID == old {
				return &record
			}
		}
		return nil
	}
	if record := find(); record.RetiredAt.IsZero() || len(record.PrivateKey) == 0 {
		t.Errorf("just retired: %+v", record)
	}
	c.advance(3 * time.Minute)
	update(t, r)
	if len(find().PrivateKey) != 0 {
		t.Error("private key is still in the store")
	}
	if !publishes(r, "", old) {
		t.Error("tokens of it cannot be verified any more")
	}
	c.advance(5 * time.Minute)
	update(t, r)
	if publishes(r, "", old) {
		t.Error("still published after its last token has expired")
	}
	c.advance(retention)
	update(t, r)
	if find() != nil {
		t.Error("still in the store")
	}
}

func TestNodeThatSleptDoesNotSignWithAnOldKey(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	awake, asleep := generatedRing(t, store, c, Options{}), generatedRing(t, store, c, Options{})
	old := signingKey(t, asleep, "").ID

	c.advance(time.Hour)
	if _, err := awake.Revoke(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	c.advance(6 * 24 * time.Hour)
	want := signingKey(t, awake, "").ID
	if got := signingKey(t, asleep, "").ID; got == old || got != want {
		t.Errorf("signs with %s, others with %s; %s was revoked", got, want, old)
	}

	// When nobody was awake, whoever wakes first makes a new key.
	c.advance(60 * 24 * time.Hour)
	key := signingKey(t, asleep, "")
	if key.ID == want || verify(c.Now(), bundle(t, asleep.Bundle("")), key.Chain...) != nil {
		t.Errorf("signs with %s, which ended at %s", key.ID, key.Chain[0].NotAfter)
	}
	if got := signingKey(t, awake, "").ID; got != key.ID {
		t.Errorf("nodes sign with %s and %s", key.ID, got)
	}
}

// failingStore stops answering when told to.
type failingStore struct {
	memoryStore
	mu     sync.Mutex
	failed error
}

func (s *failingStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

func (s *failingStore) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *failingStore) KeyVersion(ctx context.Context) (int64, error) {
	if err := s.err(); err != nil {
		return 0, err
	}
	return s.memoryStore.KeyVersion(ctx)
}

func (s *failingStore) Keys(ctx context.Context) (int64, []Record, error) {
	if err := s.err(); err != nil {
		return 0, nil, err
	}
	return s.memoryStore.Keys(ctx)
}

func TestNothingIsSignedWhileTheStoreIsAway(t *testing.T) {
	c, store := newClock(), new(failingStore)
	r := generatedRing(t, store, c, Options{PollInterval: 30 * time.Minute}) // too long to come
	away := errors.New("no route to host")
	store.fail(away)
	c.advance(10 * time.Minute)
	if _, err := r.SigningKey(""); err != nil {
		t.Errorf("refused while the keys are fresh: %v", err)
	}
	c.advance(24 * time.Hour)
	if _, err := r.SigningKey(""); !errors.Is(err, errNoSigningKey) || !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
	if len(r.Bundle("")) == 0 {
		t.Error("no bundle")
	}
	store.fail(nil)
	c.advance(2 * time.Second)
	signingKey(t, r, "")
}

func TestKeysSignForAWhileWithoutTheStore(t *testing.T) {
	c, store := newClock(), new(failingStore)
	r := generatedRing(t, store, c, Options{PollInterval: 30 * time.Minute, ServeStale: 24 * time.Hour})
	away := errors.New("no route to host")
	store.fail(away)
	id := signingKey(t, r, "").ID
	for _, after := range []time.Duration{10 * time.Minute, 12 * time.Hour, 11 * time.Hour} {
		c.advance(after)
		if again := signingKey(t, r, "").ID; again != id {
			t.Errorf("signs with %s, not %s", again, id)
		}
	}
	c.advance(time.Hour)
	if _, err := r.SigningKey(""); !errors.Is(err, errNoSigningKey) || !errors.Is(err, away) {
		t.Errorf("error %v after a day", err)
	}
	store.fail(nil)
	c.advance(2 * time.Second)
	signingKey(t, r, "")
}

func TestRotateByHand(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	r := generatedRing(t, store, c, Options{
		Services: []string{"registry"}, KidOnly: []string{"jwks"}, Own: []string{"zot"},
	})
	other := generatedRing(t, store, c, Options{KidOnly: []string{"jwks"}, Own: []string{"zot"}})
	anchors := bundle(t, r.Bundle("registry"))
	known := r.KeySet("jwks")
	pinned := signingKey(t, r, "zot").ID

	used := map[string]bool{}
	for i := range 5 {
		c.advance(time.Second)
		rotation, err := r.Rotate(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(rotation.Keys) != 2 || rotation.ReloadNow || !slices.Equal(rotation.Reload, []string{"jwks"}) {
			t.Errorf("rotation: %+v", rotation)
		}
		for _, service := range []string{"registry", "jwks"} {
			id := signingKey(t, r, service).ID
			if used[id] {
				t.Errorf("rotation %d: %s signs with %s again", i, service, id)
			}
			used[id] = true
		}
		if err := verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...); err != nil {
			t.Error(err)
		}
		if id := signingKey(t, r, "jwks").ID; len(known.Key(id)) == 0 {
			t.Errorf("rotation %d: a registry that has not restarted does not know key %s", i, id)
		}
		other.tick(t.Context())
		for _, service := range []string{"registry", "jwks", "zot"} {
			if a, b := signingKey(t, r, service).ID, signingKey(t, other, service).ID; a != b {
				t.Errorf("%s: nodes sign with %s and %s", service, a, b)
			}
		}
	}
	if got := signingKey(t, r, "zot").ID; got != pinned {
		t.Error("a pinned key was replaced without being asked for")
	}

	c.advance(time.Second)
	rotation, err := r.Rotate(t.Context(), "zot")
	if err != nil || !rotation.ReloadNow || !slices.Equal(rotation.Reload, []string{"zot"}) {
		t.Errorf("rotation %+v, error %v", rotation, err)
	}
	key := signingKey(t, r, "zot")
	if key.ID == pinned || !bundle(t, r.Bundle("zot"))[0].Equal(key.Chain[0]) {
		t.Error("pinned key was not replaced")
	}
}

func TestRotateAuthority(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{Services: []string{"a", "b"}})
	before := bundle(t, r.Bundle(""))
	old := signingKey(t, r, "")
	c.advance(time.Minute)
	rotation, err := r.RotateAuthority(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(rotation.Keys) != 2 || rotation.ReloadNow || !slices.Equal(rotation.Reload, []string{"a", "b"}) {
		t.Errorf("rotation: %+v", rotation)
	}
	key := signingKey(t, r, "")
	if err := verify(c.Now(), before, key.Chain...); err != nil {
		t.Errorf("registries have to restart: %v", err)
	}
	if err := verify(c.Now(), before[:1], key.Chain...); err == nil {
		t.Error("still signs under the old authority")
	}
	after := bundle(t, r.Bundle(""))
	if len(after) != 3 || !after[0].Equal(before[1]) {
		t.Errorf("%d certificates in the bundle", len(after))
	}
	if err := verify(c.Now(), after, old.Chain...); err != nil {
		t.Errorf("tokens of the old authority are refused already: %v", err)
	}

	if _, err := r.RotateAuthority(t.Context(), false); !errors.Is(err, ErrNextAuthorityTooNew) {
		t.Errorf("again at once: %v", err)
	}
	c.advance(8 * time.Minute)
	update(t, r)
	if after = bundle(t, r.Bundle("")); len(after) != 2 || slices.ContainsFunc(after, before[0].Equal) {
		t.Errorf("old authority is still in the bundle of %d", len(after))
	}
	c.advance(time.Minute)
	if _, err := r.RotateAuthority(t.Context(), true); err != nil {
		t.Errorf("forced: %v", err)
	}
	c.advance(24 * time.Hour)
	if _, err := r.RotateAuthority(t.Context(), false); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	options := Options{Services: []string{"registry"}, KidOnly: []string{"jwks"}, Own: []string{"zot"}}
	find := func(t *testing.T, r *Ring, purpose Purpose, state State) KeyInfo {
		t.Helper()
		for _, key := range r.Keys() {
			if key.Purpose == purpose && key.State == state {
				return key
			}
		}
		t.Fatalf("no %s key is %s", purpose, state)
		return KeyInfo{}
	}
	for _, test := range []struct {
		purpose Purpose
		state   State
		service string
		reload  []string
		now     bool
	}{
		{Shared, Active, "registry", nil, false},
		{KidOnly, Active, "jwks", []string{"jwks"}, false},
		{KidOnly, Waiting, "jwks", []string{"jwks"}, false},
		{Own, Active, "zot", []string{"zot"}, true},
		{Authority, Active, "registry", []string{"registry"}, false},
		{Authority, Waiting, "registry", []string{"registry"}, false},
	} {
		t.Run(fmt.Sprintf("%s %s", test.purpose, test.state), func(t *testing.T) {
			c := newClock()
			r := generatedRing(t, new(memoryStore), c, options)
			anchors := bundle(t, r.Bundle("registry"))
			key := find(t, r, test.purpose, test.state)
			c.advance(time.Minute)
			rotation, err := r.Revoke(t.Context(), key.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(rotation.Reload, test.reload) || rotation.ReloadNow != test.now {
				t.Errorf("rotation: %+v", rotation)
			}
			if got := find(t, r, test.purpose, Revoked); got.ID != key.ID {
				t.Errorf("%s was revoked", got.ID)
			}
			if rotation.AcceptedUntil.IsZero() == (test.purpose == Shared) {
				t.Errorf("registries accept its tokens until %s", rotation.AcceptedUntil)
			}
			if signingKey(t, r, test.service).ID == key.ID || publishes(r, test.service, key.ID) {
				t.Error("still in use")
			}
			for _, cert := range bundle(t, r.Bundle(test.service)) {
				if Fingerprint(cert) == key.Fingerprint {
					t.Error("still in the bundle")
				}
			}
			if err := verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...); err != nil {
				t.Errorf("registries have to restart: %v", err)
			}
			find(t, r, test.purpose, test.state) // another one is in its place
			if again, err := r.Revoke(t.Context(), key.ID); err != nil || len(again.Keys) != 0 {
				t.Errorf("revoked again: %+v, %v", again, err)
			}
		})
	}
	t.Run("no such key", func(t *testing.T) {
		r := generatedRing(t, new(memoryStore), newClock(), Options{})
		if _, err := r.Revoke(t.Context(), "nothing"); !errors.Is(err, ErrUnknownKey) {
			t.Error(err)
		}
	})
}

func TestRevokedAuthorityTakesItsKeysAlong(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	old := signingKey(t, r, "")
	authority, err := thumbprint(bundle(t, r.Bundle(""))[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	if _, err := r.Revoke(t.Context(), authority); err != nil {
		t.Fatal(err)
	}
	if publishes(r, "", old.ID) {
		t.Error("a key under it is still published")
	}
	if err := verify(c.Now(), bundle(t, r.Bundle("")), old.Chain...); err == nil {
		t.Error("a key under it is still trusted")
	}
}

func TestNodesRotateOnce(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	var rings []*Ring
	for range 4 {
		rings = append(rings, generatedRing(t, store, c, Options{}))
	}
	seen := map[string]bool{}
	for range 30 * 24 {
		c.advance(time.Hour)
		var wg sync.WaitGroup
		for _, r := range rings {
			wg.Go(func() { r.tick(t.Context()) })
		}
		wg.Wait()
		ids := map[string]bool{}
		for _, r := range rings {
			ids[signingKey(t, r, "").ID] = true
		}
		if len(ids) != 1 {
			t.Fatalf("%s: nodes sign with %d keys", c.Now(), len(ids))
		}
		for id := range ids {
			seen[id] = true
		}
	}
	var rotations uint64
	for _, r := range rings {
		rotations += r.Stats().Rotations
	}
	if want := uint64(len(seen) - 1); rotations != want || want < 6 {
		t.Errorf("%d rotations counted, %d keys seen", rotations, len(seen))
	}
}

func TestClockAheadOnOneNode(t *testing.T) {
	c, ahead, store := newClock(), newClock(), new(memoryStore)
	ahead.advance(30 * time.Second)
	fast := generatedRing(t, store, ahead, Options{})
	slow := generatedRing(t, store, c, Options{})
	if a, b := signingKey(t, fast, "").ID, signingKey(t, slow, "").ID; a != b {
		t.Fatalf("keys %s and %s", a, b)
	}
	for _, rotate := range []*Ring{fast, slow, fast, slow} {
		before := signingKey(t, rotate, "").ID
		if _, err := rotate.Rotate(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Minute)
		ahead.advance(time.Minute)
		fast.tick(t.Context())
		slow.tick(t.Context())
		a, b := signingKey(t, fast, ""), signingKey(t, slow, "")
		if a.ID != b.ID || a.ID == before {
			t.Errorf("before %s, then keys %s and %s", before, a.ID, b.ID)
		}
		for _, key := range []*SigningKey{a, b} {
			if err := verify(c.Now(), bundle(t, slow.Bundle("")), key.Chain...); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLeafDoesNotOutliveItsAuthority(t *testing.T) {
	authority := &pair{signer: generate(t, EC256)}
	authority.cert = certificate(t, x509.Certificate{IsCA: true, NotAfter: start.Add(48 * time.Hour)}, authority.signer, nil)
	c := newClock()
	path := write(t, pkcs8(t, authority.signer), certPEM(authority.cert))
	r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{Now: c.Now, PollInterval: still}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for c.Now().Before(authority.cert.NotAfter.Add(-time.Hour)) {
		key := signingKey(t, r, "")
		if err := verify(c.Now(), bundle(t, r.Bundle("")), key.Chain...); err != nil {
			t.Fatal(err)
		}
		c.advance(10 * time.Minute)
		r.tick(t.Context())
	}
	c.advance(2 * time.Hour)
	r.tick(t.Context())
	if _, err := r.SigningKey(""); !errors.Is(err, errNoSigningKey) {
		t.Errorf("after the end of the authority: %v", err)
	}
}
