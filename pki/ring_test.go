package pki

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// start is when the clock of every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that only moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// still keeps the maintenance goroutine of a ring from doing anything: tests
// call what it calls.
const still = 24 * time.Hour

func generatedRing(t *testing.T, store Store, c *clock, options Options) *Ring {
	t.Helper()
	options.Now = c.Now
	if options.PollInterval == 0 {
		options.PollInterval = still
	}
	r, err := NewGeneratedRing(t.Context(), store, options, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

func signingKey(t *testing.T, r *Ring, service string) *SigningKey {
	t.Helper()
	key, err := r.SigningKey(service)
	require.NoError(t, err)
	return key
}

func update(t *testing.T, r *Ring) {
	t.Helper()
	require.NoError(t, r.update(t.Context(), updateRequest{}))
}

// bundle reads certificates as a registry does.
func bundle(t *testing.T, content []byte) []*x509.Certificate {
	t.Helper()
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return out
		}
		require.Equal(t, "CERTIFICATE", block.Type, "block %q in the bundle", block.Type)
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		out, content = append(out, cert), rest
	}
}

// publishes reports whether a key is in the JWK set of a service.
func publishes(r *Ring, service, id string) bool {
	set := r.KeySet(service)
	return len(set.Key(id)) > 0
}

// verify checks a chain as a registry does: the bundle holds anchors, for any
// use of a key.
func verify(now time.Time, anchors []*x509.Certificate, chain ...*x509.Certificate) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range anchors {
		roots.AddCert(cert)
	}
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func TestGeneratedRingOnAnEmptyStore(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})

	anchors := bundle(t, r.Bundle("registry"))
	require.Len(t, anchors, 2, "certificates in the bundle, want the authority and the next one")
	for _, ca := range anchors {
		assert.True(t, ca.IsCA, "%q: IsCA %t", ca.Subject, ca.IsCA)
		assert.Zero(t, ca.MaxPathLen, "%q: IsCA %t", ca.Subject, ca.IsCA)
		assert.True(t, ca.MaxPathLenZero, "%q: IsCA %t", ca.Subject, ca.IsCA)
		assert.Equal(t, x509.KeyUsageCertSign, ca.KeyUsage, "%q", ca.Subject)
		assert.True(t, EC256.matches(ca.PublicKey), "%q: key is no P-256", ca.Subject)
		years := ca.NotAfter.Sub(start).Hours() / 24 / 365
		assert.GreaterOrEqual(t, years, 19.9, "%q lives for %.1f years", ca.Subject, years)
	}
	assert.NotEqual(t, anchors[1].Subject.String(), anchors[0].Subject.String(), "both authorities have the same name")

	key := signingKey(t, r, "registry")
	require.Equal(t, "ES256", key.Algorithm)
	require.Len(t, key.Chain, 1)
	leaf := key.Chain[0]
	assert.Equal(t, DefaultLeafLife, leaf.NotAfter.Sub(start), "signing certificate lives")
	for _, cert := range append(anchors, leaf) {
		assert.GreaterOrEqual(t, start.Sub(cert.NotBefore), 5*time.Minute, "%q starts at %s, hardly in the past", cert.Subject, cert.NotBefore)
	}
	require.NoError(t, verify(start, anchors, leaf))
	require.Error(t, verify(start, anchors[1:], leaf), "signing certificate stands under the next authority already")

	set := r.KeySet("registry")
	require.Len(t, set.Keys, 1, "key set")
	assert.Equal(t, key.ID, set.Keys[0].KeyID, "key set")
	assert.True(t, set.Keys[0].IsPublic(), "key set")
	thumbprintOf := func(i int) string { id, _ := thumbprint(anchors[i].PublicKey); return id }
	assert.NotEqual(t, thumbprintOf(0), key.ID, "an authority signs tokens")
	assert.NotEqual(t, thumbprintOf(1), key.ID, "an authority signs tokens")
}

func TestGeneratedRingKeepsItsKeysAcrossStarts(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	first := generatedRing(t, store, c, Options{})
	c.advance(time.Hour)
	second := generatedRing(t, store, c, Options{})
	a, b := signingKey(t, first, "").ID, signingKey(t, second, "").ID
	assert.Equal(t, a, b, "signing key changed from %s to %s", a, b)
	assert.Equal(t, string(second.Bundle("")), string(first.Bundle("")), "bundle changed")
}

func TestKeyTypeChangesAtTheNextStart(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	first := generatedRing(t, store, c, Options{})
	old := signingKey(t, first, "")
	for _, test := range []struct {
		keyType   KeyType
		algorithm string
	}{
		{EC384, "ES384"}, {EC521, "ES512"}, {RSA2048, "RS256"}, {Ed25519, "EdDSA"},
	} {
		c.advance(time.Minute)
		r := generatedRing(t, store, c, Options{KeyType: test.keyType})
		key := signingKey(t, r, "")
		assert.Equal(t, test.algorithm, key.Algorithm, "%s", test.keyType)
		require.NoError(t, verify(c.Now(), bundle(t, r.Bundle("")), key.Chain...), "%s", test.keyType)
		assert.True(t, publishes(r, "", old.ID), "%s: tokens of the key before cannot be verified any more", test.keyType)
	}
}

func TestNodesThatStartAtOnceAgree(t *testing.T) {
	const nodes = 8
	c, store := newClock(), new(memoryStore)
	rings := make([]*Ring, nodes)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			r, err := NewGeneratedRing(t.Context(), store, Options{
				Now: c.Now, PollInterval: still, KidOnly: []string{"jwks"}, Own: []string{"zot"},
			}, zaptest.NewLogger(t))
			if assert.NoError(t, err) {
				t.Cleanup(r.Close)
				rings[i] = r
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, service := range []string{"registry", "jwks", "zot"} {
		for _, r := range rings[1:] {
			a, b := signingKey(t, rings[0], service).ID, signingKey(t, r, service).ID
			assert.Equal(t, a, b, "%s: keys %s and %s", service, a, b)
			assert.Equal(t, string(r.Bundle(service)), string(rings[0].Bundle(service)), "%s: bundles differ", service)
		}
	}
	assert.Len(t, bundle(t, rings[0].Bundle("registry")), 2, "authorities")
}

func TestProfilesHaveKeysOfTheirOwn(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{
		Services: []string{"a", "b"}, KidOnly: []string{"k1", "k2"}, Own: []string{"z1", "z2"},
	})
	id := func(service string) string { return signingKey(t, r, service).ID }
	assert.Equal(t, id("b"), id("a"), "services of one profile do not share their key")
	assert.Equal(t, id("k2"), id("k1"), "services of one profile do not share their key")
	distinct := []string{id("a"), id("k1"), id("z1"), id("z2")}
	slices.Sort(distinct)
	assert.Len(t, slices.Compact(distinct), 4, "keys shared across profiles: %v", distinct)
	for _, service := range []string{"z1", "z2"} {
		anchors := bundle(t, r.Bundle(service))
		require.Len(t, anchors, 1, "%s: the bundle is not the one certificate of its key", service)
		assert.True(t, anchors[0].Equal(signingKey(t, r, service).Chain[0]), "%s: the bundle is not the one certificate of its key", service)
		require.Error(t, verify(start, bundle(t, r.Bundle("a")), anchors[0]), "%s: its key opens registries of other services", service)
	}
	set := r.KeySet("k1")
	require.Len(t, set.Keys, 1+keysAhead)
	assert.Equal(t, id("k1"), set.Keys[0].KeyID)
	for _, jwk := range set.Keys {
		assert.True(t, hasFullCoordinates(jwk.Key), "key %s has a coordinate that begins with a zero byte", jwk.KeyID)
		assert.False(t, publishes(r, "a", jwk.KeyID), "key %s is published for other services", jwk.KeyID)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		want    error
	}{
		{"unknown key type", Options{KeyType: "ec512"}, errInvalidKeyType},
		{"leaf outlived by its tokens", Options{LeafLife: time.Hour, MaxTokenTTL: time.Hour}, errLeafLife},
		{"leaf outlived by a second", Options{LeafLife: 3*(time.Hour+margin) - time.Second, MaxTokenTTL: time.Hour}, errLeafLife},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := new(memoryStore)
			_, err := NewGeneratedRing(t.Context(), store, test.options, zaptest.NewLogger(t))
			require.ErrorIs(t, err, test.want)
			version, _, _ := store.Keys(t.Context())
			assert.Zero(t, version, "something was written")
		})
	}
}

func TestShortestLifeOfALeaf(t *testing.T) {
	r, err := NewGeneratedRing(t.Context(), new(memoryStore), Options{LeafLife: 3 * (time.Hour + margin), MaxTokenTTL: time.Hour}, zaptest.NewLogger(t))
	require.NoError(t, err)
	r.Close()
}

func BenchmarkSigningKey(b *testing.B) {
	r, err := NewGeneratedRing(b.Context(), new(memoryStore), Options{Own: []string{"zot"}}, zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(r.Close)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := r.SigningKey("registry")
			assert.NoError(b, err)
		}
	})
}
