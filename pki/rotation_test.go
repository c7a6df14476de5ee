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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		require.NoError(t, verify(now, anchors, leaf), "%s", now)
		require.NoError(t, verify(now.Add(DefaultTokenTTL+2*time.Minute), anchors, leaf), "%s: a token signed now outlives its certificate", now)
		if len(reigns) == 0 || reigns[len(reigns)-1].id != key.ID {
			reigns = append(reigns, reign{key.ID, now})
			if len(reigns) > 1 && assert.Contains(t, published, key.ID, "%s: in use, and never published", now) {
				assert.GreaterOrEqual(t, now.Sub(published[key.ID]), 12*time.Hour, "%s: key %s has been published for", now, key.ID)
			}
		}
		lastUse[key.ID] = now
		for _, jwk := range r.KeySet("").Keys {
			if _, ok := published[jwk.KeyID]; !ok {
				published[jwk.KeyID] = now
			}
		}
		for id, used := range lastUse {
			if now.Before(used.Add(DefaultTokenTTL)) {
				assert.True(t, publishes(r, "", id), "%s: key %s is not published, but signed at %s", now, id, used)
			}
		}
		assert.LessOrEqual(t, len(r.KeySet("").Keys), 3, "%s: keys published", now)
	})
	assert.GreaterOrEqual(t, len(reigns), 8)
	assert.LessOrEqual(t, len(reigns), 11)
	got := reigns[1].since.Sub(start)
	assert.GreaterOrEqual(t, got, 111*time.Hour, "want two thirds of its life")
	assert.LessOrEqual(t, got, 113*time.Hour, "want two thirds of its life")
	stats := r.Stats()
	assert.Equal(t, len(reigns)-1, int(stats.Rotations), "stats: %+v", stats)
	assert.Zero(t, stats.Failures, "stats: %+v", stats)
}

func TestPrivateKeysOfRetiredKeysAreForgotten(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	r := generatedRing(t, store, c, Options{})
	old := signingKey(t, r, "").ID
	c.advance(time.Minute)
	_, err := r.Rotate(t.Context(), "")
	require.NoError(t, err)
	find := func() *Record {
		_, records, err := store.Keys(t.Context())
		require.NoError(t, err)
		for _, record := range records {
			if record.ID == old {
				return &record
			}
		}
		return nil
	}
	record := find()
	assert.False(t, record.RetiredAt.IsZero(), "just retired")
	assert.NotEmpty(t, record.PrivateKey, "just retired")
	c.advance(3 * time.Minute)
	update(t, r)
	assert.Empty(t, find().PrivateKey, "private key is still in the store")
	assert.True(t, publishes(r, "", old), "tokens of it cannot be verified any more")
	c.advance(5 * time.Minute)
	update(t, r)
	assert.False(t, publishes(r, "", old), "still published after its last token has expired")
	c.advance(retention)
	update(t, r)
	assert.Nil(t, find(), "still in the store")
}

func TestNodeThatSleptDoesNotSignWithAnOldKey(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	awake, asleep := generatedRing(t, store, c, Options{}), generatedRing(t, store, c, Options{})
	old := signingKey(t, asleep, "").ID

	c.advance(time.Hour)
	_, err := awake.Revoke(t.Context(), old)
	require.NoError(t, err)
	c.advance(6 * 24 * time.Hour)
	want := signingKey(t, awake, "").ID
	got := signingKey(t, asleep, "").ID
	assert.NotEqual(t, old, got)
	assert.Equal(t, want, got)

	// When no node was awake, the first that wakes makes a new key.
	c.advance(60 * 24 * time.Hour)
	key := signingKey(t, asleep, "")
	assert.NotEqual(t, want, key.ID, "which ended at %s", key.Chain[0].NotAfter)
	require.NoError(t, verify(c.Now(), bundle(t, asleep.Bundle("")), key.Chain...), "which ended at %s", key.Chain[0].NotAfter)
	got = signingKey(t, awake, "").ID
	assert.Equal(t, key.ID, got, "nodes sign with %s and %s", key.ID, got)
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
	_, err := r.SigningKey("")
	require.NoError(t, err, "refused while the keys are fresh")
	c.advance(24 * time.Hour)
	_, err = r.SigningKey("")
	require.ErrorIs(t, err, errNoSigningKey)
	require.ErrorIs(t, err, away)
	assert.NotEmpty(t, r.Bundle(""), "no bundle")
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
		assert.Equal(t, id, signingKey(t, r, "").ID, "signs")
	}
	c.advance(time.Hour)
	_, err := r.SigningKey("")
	require.ErrorIs(t, err, errNoSigningKey)
	require.ErrorIs(t, err, away)
	store.fail(nil)
	c.advance(2 * time.Second)
	signingKey(t, r, "")
}

func TestHowLongKeysSign(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{PollInterval: 30 * time.Minute, ServeStale: 24 * time.Hour})
	for name, test := range map[string]struct {
		confirmed     time.Duration // ago
		fresh, usable bool
	}{
		"now":                               {0, true, true},
		"a while ago":                       {150 * time.Minute, true, true},
		"longer ago":                        {150*time.Minute + 1, false, true},
		"as long ago as they may be served": {24 * time.Hour, false, true},
		"too long ago":                      {24*time.Hour + 1, false, false},
		"since a request began to ask":      {-time.Second, true, true},
		"before the clock went back":        {-3 * time.Hour, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := c.Now()
			r.confirmed.Store(now.Add(-test.confirmed).UnixNano())
			assert.Equal(t, test.fresh, r.fresh(now), "fresh")
			assert.Equal(t, test.usable, r.usable(now), "usable")
		})
	}
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
		require.NoError(t, err)
		require.Len(t, rotation.Keys, 2, "rotation")
		assert.False(t, rotation.ReloadNow, "rotation")
		assert.Equal(t, []string{"jwks"}, rotation.Reload, "rotation")
		for _, service := range []string{"registry", "jwks"} {
			id := signingKey(t, r, service).ID
			assert.False(t, used[id], "rotation %d: %s signs with %s again", i, service, id)
			used[id] = true
		}
		require.NoError(t, verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...))
		id := signingKey(t, r, "jwks").ID
		assert.NotEmpty(t, known.Key(id), "rotation %d: a registry that has not restarted does not know key %s", i, id)
		other.tick(t.Context())
		for _, service := range []string{"registry", "jwks", "zot"} {
			a, b := signingKey(t, r, service).ID, signingKey(t, other, service).ID
			assert.Equal(t, a, b, "%s: nodes sign with %s and %s", service, a, b)
		}
	}
	assert.Equal(t, pinned, signingKey(t, r, "zot").ID, "a pinned key was replaced without being asked for")

	c.advance(time.Second)
	rotation, err := r.Rotate(t.Context(), "zot")
	require.NoError(t, err, "rotation")
	assert.True(t, rotation.ReloadNow, "rotation %+v", rotation)
	assert.Equal(t, []string{"zot"}, rotation.Reload, "rotation %+v", rotation)
	key := signingKey(t, r, "zot")
	assert.NotEqual(t, pinned, key.ID, "pinned key was not replaced")
	assert.True(t, bundle(t, r.Bundle("zot"))[0].Equal(key.Chain[0]), "pinned key was not replaced")
}

func TestRotateAuthority(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{Services: []string{"a", "b"}})
	before := bundle(t, r.Bundle(""))
	old := signingKey(t, r, "")
	c.advance(time.Minute)
	rotation, err := r.RotateAuthority(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, rotation.Keys, 2, "rotation")
	assert.False(t, rotation.ReloadNow, "rotation")
	assert.Equal(t, []string{"a", "b"}, rotation.Reload, "rotation")
	key := signingKey(t, r, "")
	require.NoError(t, verify(c.Now(), before, key.Chain...), "registries have to restart")
	require.Error(t, verify(c.Now(), before[:1], key.Chain...), "still signs under the old authority")
	after := bundle(t, r.Bundle(""))
	require.Len(t, after, 3)
	assert.True(t, after[0].Equal(before[1]))
	require.NoError(t, verify(c.Now(), after, old.Chain...), "tokens of the old authority are refused already")

	_, err = r.RotateAuthority(t.Context(), false)
	require.ErrorIs(t, err, ErrNextAuthorityTooNew, "again at once")
	c.advance(8 * time.Minute)
	update(t, r)
	after = bundle(t, r.Bundle(""))
	require.Len(t, after, 2)
	assert.False(t, slices.ContainsFunc(after, before[0].Equal))
	c.advance(time.Minute)
	_, err = r.RotateAuthority(t.Context(), true)
	require.NoError(t, err, "forced")
	c.advance(24 * time.Hour)
	_, err = r.RotateAuthority(t.Context(), false)
	assert.NoError(t, err, "a day later")
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
			require.NoError(t, err)
			assert.Equal(t, test.reload, rotation.Reload, "rotation")
			assert.Equal(t, test.now, rotation.ReloadNow, "rotation")
			assert.Equal(t, key.ID, find(t, r, test.purpose, Revoked).ID, "was revoked")
			assert.NotEqual(t, test.purpose == Shared, rotation.AcceptedUntil.IsZero(), "registries accept its tokens until %s", rotation.AcceptedUntil)
			assert.NotEqual(t, key.ID, signingKey(t, r, test.service).ID, "still in use")
			assert.False(t, publishes(r, test.service, key.ID), "still in use")
			for _, cert := range bundle(t, r.Bundle(test.service)) {
				assert.NotEqual(t, key.Fingerprint, Fingerprint(cert), "still in the bundle")
			}
			require.NoError(t, verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...), "registries have to restart")
			find(t, r, test.purpose, test.state) // another one is in its place
			again, err := r.Revoke(t.Context(), key.ID)
			require.NoError(t, err, "revoked again")
			assert.Empty(t, again.Keys, "revoked again: %+v", again)
		})
	}
	t.Run("no such key", func(t *testing.T) {
		r := generatedRing(t, new(memoryStore), newClock(), Options{})
		_, err := r.Revoke(t.Context(), "nothing")
		assert.ErrorIs(t, err, ErrUnknownKey)
	})
}

func TestRevokedAuthorityTakesItsKeysAlong(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	old := signingKey(t, r, "")
	authority, err := thumbprint(bundle(t, r.Bundle(""))[0].PublicKey)
	require.NoError(t, err)
	c.advance(time.Minute)
	_, err = r.Revoke(t.Context(), authority)
	require.NoError(t, err)
	assert.False(t, publishes(r, "", old.ID), "a key under it is still published")
	assert.Error(t, verify(c.Now(), bundle(t, r.Bundle("")), old.Chain...), "a key under it is still trusted")
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
		require.Len(t, ids, 1, "%s: nodes sign with %d keys", c.Now(), len(ids))
		for id := range ids {
			seen[id] = true
		}
	}
	var rotations uint64
	for _, r := range rings {
		rotations += r.Stats().Rotations
	}
	want := uint64(len(seen) - 1)
	assert.Equal(t, want, rotations, "%d keys seen", len(seen))
	assert.GreaterOrEqual(t, want, uint64(6), "%d keys seen", len(seen))
}

func TestClockAheadOnOneNode(t *testing.T) {
	c, ahead, store := newClock(), newClock(), new(memoryStore)
	ahead.advance(30 * time.Second)
	fast := generatedRing(t, store, ahead, Options{})
	slow := generatedRing(t, store, c, Options{})
	a, b := signingKey(t, fast, "").ID, signingKey(t, slow, "").ID
	require.Equal(t, a, b, "keys %s and %s", a, b)
	for _, rotate := range []*Ring{fast, slow, fast, slow} {
		before := signingKey(t, rotate, "").ID
		_, err := rotate.Rotate(t.Context(), "")
		require.NoError(t, err)
		c.advance(time.Minute)
		ahead.advance(time.Minute)
		fast.tick(t.Context())
		slow.tick(t.Context())
		a, b := signingKey(t, fast, ""), signingKey(t, slow, "")
		assert.Equal(t, b.ID, a.ID)
		assert.NotEqual(t, before, a.ID)
		for _, key := range []*SigningKey{a, b} {
			assert.NoError(t, verify(c.Now(), bundle(t, slow.Bundle("")), key.Chain...))
		}
	}
}

func TestLeafDoesNotOutliveItsAuthority(t *testing.T) {
	authority := &pair{signer: generate(t, EC256)}
	authority.cert = certificate(t, x509.Certificate{IsCA: true, NotAfter: start.Add(48 * time.Hour)}, authority.signer, nil)
	c := newClock()
	path := write(t, pkcs8(t, authority.signer), certPEM(authority.cert))
	r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{Now: c.Now, PollInterval: still}, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	for c.Now().Before(authority.cert.NotAfter.Add(-time.Hour)) {
		key := signingKey(t, r, "")
		require.NoError(t, verify(c.Now(), bundle(t, r.Bundle("")), key.Chain...))
		c.advance(10 * time.Minute)
		r.tick(t.Context())
	}
	c.advance(2 * time.Hour)
	r.tick(t.Context())
	_, err = r.SigningKey("")
	assert.ErrorIs(t, err, errNoSigningKey, "after the end of the authority")
}
