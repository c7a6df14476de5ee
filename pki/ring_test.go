package pki

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

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
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func signingKey(t *testing.T, r *Ring, service string) *SigningKey {
	t.Helper()
	key, err := r.SigningKey(service)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func update(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.update(t.Context(), updateRequest{}); err != nil {
		t.Fatal(err)
	}
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
		if block.Type != "CERTIFICATE" {
			t.Fatalf("block %q in the bundle", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
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
	if len(anchors) != 2 {
		t.Fatalf("%d certificates in the bundle, want the authority and the next one", len(anchors))
	}
	for _, ca := range anchors {
		if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero {
			t.Errorf("%q: IsCA %t, path length %d", ca.Subject, ca.IsCA, ca.MaxPathLen)
		}
		if ca.KeyUsage != x509.KeyUsageCertSign {
			t.Errorf("%q: key usage %b", ca.Subject, ca.KeyUsage)
		}
		if !EC256.matches(ca.PublicKey) {
			t.Errorf("%q: key is no P-256", ca.Subject)
		}
		if years := ca.NotAfter.Sub(start).Hours() / 24 / 365; years < 19.9 {
			t.Errorf("%q lives for %.1f years", ca.Subject, years)
		}
	}
	if anchors[0].Subject.String() == anchors[1].Subject.String() {
		t.Error("both authorities have the same name")
	}

	key := signingKey(t, r, "registry")
	if key.Algorithm != "ES256" || len(key.Chain) != 1 {
		t.Fatalf("algorithm %s, %d certificates", key.Algorithm, len(key.Chain))
	}
	leaf := key.Chain[0]
	if got := leaf.NotAfter.Sub(start); got != DefaultLeafLife {
		t.Errorf("signing certificate lives for %s", got)
	}
	for _, cert := range append(anchors, leaf) {
		if start.Sub(cert.NotBefore) < 5*time.Minute {
			t.Errorf("%q starts at %s, hardly in the past", cert.Subject, cert.NotBefore)
		}
	}
	if err := verify(start, anchors, leaf); err != nil {
		t.Error(err)
	}
	if err := verify(start, anchors[1:], leaf); err == nil {
		t.Error("signing certificate stands under the next authority already")
	}

	set := r.KeySet("registry")
	if len(set.Keys) != 1 || set.Keys[0].KeyID != key.ID || !set.Keys[0].IsPublic() {
		t.Errorf("key set: %+v", set)
	}
	thumbprintOf := func(i int) string { id, _ := thumbprint(anchors[i].PublicKey); return id }
	if key.ID == thumbprintOf(0) || key.ID == thumbprintOf(1) {
		t.Error("an authority signs tokens")
	}
}

func TestGeneratedRingKeepsItsKeysAcrossStarts(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	first := generatedRing(t, store, c, Options{})
	c.advance(time.Hour)
	second := generatedRing(t, store, c, Options{})
	if a, b := signingKey(t, first, "").ID, signingKey(t, second, "").ID; a != b {
		t.Errorf("signing key changed from %s to %s", a, b)
	}
	if string(first.Bundle("")) != string(second.Bundle("")) {
		t.Error("bundle changed")
	}
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
		if key.Algorithm != test.algorithm {
			t.Errorf("%s: algorithm %s, want %s", test.keyType, key.Algorithm, test.algorithm)
		}
		if err := verify(c.Now(), bundle(t, r.Bundle("")), key.Chain...); err != nil {
			t.Errorf("%s: %v", test.keyType, err)
		}
		if !publishes(r, "", old.ID) {
			t.Errorf("%s: tokens of the key before cannot be verified any more", test.keyType)
		}
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
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(r.Close)
			rings[i] = r
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, service := range []string{"registry", "jwks", "zot"} {
		for _, r := range rings[1:] {
			if a, b := signingKey(t, rings[0], service).ID, signingKey(t, r, service).ID; a != b {
				t.Errorf("%s: keys %s and %s", service, a, b)
			}
			if string(rings[0].Bundle(service)) != string(r.Bundle(service)) {
				t.Errorf("%s: bundles differ", service)
			}
		}
	}
	if got := len(bundle(t, rings[0].Bundle("registry"))); got != 2 {
		t.Errorf("%d authorities", got)
	}
}

func TestProfilesHaveKeysOfTheirOwn(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{
		Services: []string{"a", "b"}, KidOnly: []string{"k1", "k2"}, Own: []string{"z1", "z2"},
	})
	id := func(service string) string { return signingKey(t, r, service).ID }
	if id("a") != id("b") || id("k1") != id("k2") {
		t.Error("services of one profile do not share their key")
	}
	distinct := []string{id("a"), id("k1"), id("z1"), id("z2")}
	slices.Sort(distinct)
	if len(slices.Compact(distinct)) != 4 {
		t.Errorf("keys shared across profiles: %v", distinct)
	}
	for _, service := range []string{"z1", "z2"} {
		anchors := bundle(t, r.Bundle(service))
		if len(anchors) != 1 || !anchors[0].Equal(signingKey(t, r, service).Chain[0]) {
			t.Errorf("%s: the bundle is not the one certificate of its key", service)
		}
		if err := verify(start, bundle(t, r.Bundle("a")), anchors[0]); err == nil {
			t.Errorf("%s: its key opens registries of other services", service)
		}
	}
	set := r.KeySet("k1")
	if len(set.Keys) != 1+keysAhead || set.Keys[0].KeyID != id("k1") {
		t.Errorf("%d keys published for kid-only services", len(set.Keys))
	}
	for _, jwk := range set.Keys {
		if !hasFullCoordinates(jwk.Key) {
			t.Errorf("key %s has a coordinate that begins with a zero byte", jwk.KeyID)
		}
		if publishes(r, "a", jwk.KeyID) {
			t.Errorf("key %s is published for other services", jwk.KeyID)
		}
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
	} {
		t.Run(test.name, func(t *testing.T) {
			store := new(memoryStore)
			_, err := NewGeneratedRing(t.Context(), store, test.options, zaptest.NewLogger(t))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if version, _, _ := store.Keys(t.Context()); version != 0 {
				t.Error("something was written")
			}
		})
	}
}

func BenchmarkSigningKey(b *testing.B) {
	r, err := NewGeneratedRing(b.Context(), new(memoryStore), Options{Own: []string{"zot"}}, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.SigningKey("registry"); err != nil {
				b.Error(err)
			}
		}
	})
}
