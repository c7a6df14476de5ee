package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

func fileRing(t *testing.T, store Store, c *clock, path string, options Options) *Ring {
	t.Helper()
	options.Now, options.PollInterval = c.Now, still
	r, err := NewFileRing(t.Context(), store, Files{Key: path}, options, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// newPair makes a pair that starts an hour before the clock does.
func newPair(t *testing.T, template x509.Certificate) *pair {
	t.Helper()
	key := generate(t, EC256)
	return &pair{key, certificate(t, template, key, nil)}
}

func (p *pair) pem(t *testing.T) []byte {
	t.Helper()
	return slices.Concat(pkcs8(t, p.signer), certPEM(p.cert))
}

// replaceFile swaps the content as an atomic writer does.
func replaceFile(t *testing.T, path string, content []byte) {
	t.Helper()
	next := path + ".next"
	require.NoError(t, os.WriteFile(next, content, 0o600))
	require.NoError(t, os.Rename(next, path))
}

func TestBroughtCertificateIsItsOwnAnchor(t *testing.T) {
	company := newPair(t, x509.Certificate{Subject: pkix.Name{CommonName: "company"}, IsCA: true})
	key := generate(t, RSA2048)
	leaf := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "dockit"}}, key, company)
	r := fileRing(t, new(memoryStore), newClock(), write(t, pkcs1(key), certPEM(leaf, company.cert)), Options{KidOnly: []string{"jwks"}})

	anchors := bundle(t, r.Bundle("registry"))
	require.Len(t, anchors, 1, "certificates in the bundle")
	require.True(t, anchors[0].Equal(leaf), "the bundle holds %q", anchors[0].Subject)
	signing := signingKey(t, r, "registry")
	assert.Equal(t, "RS256", signing.Algorithm)
	assert.Len(t, signing.Chain, 1)
	require.NoError(t, verify(start, anchors, signing.Chain...))
	// Somebody else's certificate from the same issuer opens nothing.
	other := certificate(t, x509.Certificate{}, generate(t, EC256), company)
	require.Error(t, verify(start, anchors, other, company.cert), "a certificate of the issuer is accepted")
	assert.Equal(t, signing.ID, signingKey(t, r, "jwks").ID, "kid-only service uses another key")
	assert.True(t, publishes(r, "jwks", signing.ID), "kid-only service uses another key")
	_, err := r.Rotate(t.Context(), "")
	require.ErrorIs(t, err, ErrExternal, "rotate")
	_, err = r.RotateAuthority(t.Context(), true)
	require.ErrorIs(t, err, ErrExternal, "rotate authority")
	_, err = r.Revoke(t.Context(), signing.ID)
	assert.ErrorIs(t, err, ErrExternal, "revoke")
}

func TestBroughtCertificateAndServicesWithKeysOfTheirOwn(t *testing.T) {
	p := newPair(t, x509.Certificate{})
	path := write(t, p.pem(t))
	options := Options{Services: []string{"registry"}, Own: []string{"zot"}}
	r := fileRing(t, new(memoryStore), newClock(), path, options)
	assert.NotEqual(t, signingKey(t, r, "registry").ID, signingKey(t, r, "zot").ID, "the key is shared")
	alone := fileRing(t, new(memoryStore), newClock(), path, Options{Own: []string{"zot"}})
	assert.True(t, signingKey(t, alone, "zot").Chain[0].Equal(p.cert), "the only service does not use the brought key")
}

func TestBroughtKeyWithAZeroByte(t *testing.T) {
	var p *pair
	for p == nil || hasFullCoordinates(p.signer.Public()) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		p = &pair{signer: key}
	}
	p.cert = certificate(t, x509.Certificate{}, p.signer, nil)
	path := write(t, p.pem(t))
	key := signingKey(t, fileRing(t, new(memoryStore), newClock(), path, Options{}), "registry")
	assert.False(t, hasFullCoordinates(key.Signer.Public()), "reported as good for kid-only tokens")
	_, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{KidOnly: []string{"jwks"}, Now: newClock().Now}, zaptest.NewLogger(t))
	assert.ErrorIs(t, err, errUnsupportedKey, "for a kid-only service")
}

func TestBroughtAuthority(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	authority := newPair(t, x509.Certificate{IsCA: true})
	path := write(t, authority.pem(t))
	r := fileRing(t, store, c, path, Options{Services: []string{"registry"}, KidOnly: []string{"jwks"}, Own: []string{"zot"}})

	anchors := bundle(t, r.Bundle("registry"))
	require.Len(t, anchors, 1)
	require.True(t, anchors[0].Equal(authority.cert))
	ids := []string{signingKey(t, r, "registry").ID, signingKey(t, r, "jwks").ID, signingKey(t, r, "zot").ID}
	slices.Sort(ids)
	assert.Len(t, slices.Compact(ids), 3, "services share keys")
	first := signingKey(t, r, "registry").ID
	follow(t, r, c, 14*24*time.Hour, time.Hour, func() {
		require.NoError(t, verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...))
	})
	assert.NotEqual(t, first, signingKey(t, r, "registry").ID, "the key has not been replaced")
	_, records, err := store.Keys(t.Context())
	require.NoError(t, err)
	for _, record := range records {
		if record.External {
			assert.Empty(t, record.PrivateKey, "the brought private key is in the store")
		}
	}
	second := fileRing(t, store, c, path, Options{KidOnly: []string{"jwks"}})
	assert.Equal(t, signingKey(t, r, "registry").ID, signingKey(t, second, "registry").ID, "two nodes sign with different keys")
}

func TestStartTakesTheConfiguredAuthority(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	authority := newPair(t, x509.Certificate{IsCA: true})
	path := write(t, authority.pem(t))
	generated := generatedRing(t, store, c, Options{})
	own := bundle(t, generated.Bundle(""))

	c.advance(time.Hour)
	external := fileRing(t, store, c, path, Options{})
	require.NoError(t, verify(c.Now(), []*x509.Certificate{authority.cert}, signingKey(t, external, "").Chain...), "with a brought authority")
	c.advance(time.Hour)
	again := generatedRing(t, store, c, Options{})
	assert.NoError(t, verify(c.Now(), own, signingKey(t, again, "").Chain...), "with Dockit's own authority again")
}

func TestReloadKeepsTheOldKeyForVerification(t *testing.T) {
	c := newClock()
	first, second := newPair(t, x509.Certificate{}), newPair(t, x509.Certificate{})
	path := write(t, first.pem(t))
	var replaced []Replaced
	r := fileRing(t, new(memoryStore), c, path, Options{Observe: func(r Replaced) { replaced = append(replaced, r) }})
	old := signingKey(t, r, "").ID

	c.advance(time.Hour)
	replaceFile(t, path, second.pem(t))
	r.reload(t.Context())
	assert.Equal(t, []Replaced{{Purpose: Shared, KeyID: old, External: true}}, replaced, "told")
	key := signingKey(t, r, "")
	require.True(t, key.Chain[0].Equal(second.cert), "the new key is not in use")
	assert.True(t, publishes(r, "", old), "both keys should be published")
	assert.True(t, publishes(r, "", key.ID), "both keys should be published")
	anchors := bundle(t, r.Bundle(""))
	require.Len(t, anchors, 2)
	assert.True(t, anchors[0].Equal(second.cert))
	stats := r.Stats()
	assert.EqualValues(t, 1, stats.Reloads)
	assert.Zero(t, stats.ReloadFailures)
	assert.False(t, stats.FileBroken)

	c.advance(8 * time.Minute)
	r.tick(t.Context())
	assert.False(t, publishes(r, "", old), "the old key is published after its last token has expired")
	assert.Len(t, bundle(t, r.Bundle("")), 1, "the old key is published after its last token has expired")
}

func TestBrokenFileKeepsTheOldKey(t *testing.T) {
	p := newPair(t, x509.Certificate{})
	good := newPair(t, x509.Certificate{}).pem(t)
	expired := newPair(t, x509.Certificate{NotAfter: start.Add(-time.Minute)})
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "no private key"},
		{"cut off", good[:len(good)/2], "malformed PEM"},
		{"cut off late", good[:len(good)-10], "malformed PEM"},
		{"key alone", good[:bytes.Index(good, []byte("-----BEGIN CERT"))], "no certificate"},
		{"expired", expired.pem(t), "expired"},
		{"missing", nil, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			path := write(t, p.pem(t))
			core, logs := observer.New(zapcore.ErrorLevel)
			r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{Now: c.Now, PollInterval: still}, zap.New(core))
			require.NoError(t, err)
			t.Cleanup(r.Close)
			if test.name == "missing" {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, test.content, 0o600)
			}
			require.NoError(t, err)
			for range 3 {
				c.advance(time.Minute)
				r.reload(t.Context())
			}
			assert.True(t, signingKey(t, r, "").Chain[0].Equal(p.cert), "the key changed")
			assert.Len(t, bundle(t, r.Bundle("")), 1, "the key changed")
			stats := r.Stats()
			assert.EqualValues(t, 3, stats.ReloadFailures)
			assert.True(t, stats.FileBroken)
			got := logs.FilterMessageSnippet("reloading pki files").Len()
			assert.Equal(t, 1, got, "logged %d times", got)
			text := logs.All()[0].ContextMap()["error"].(string)
			assert.Contains(t, text, test.want)
			assert.Contains(t, text, path)

			replaceFile(t, path, good)
			r.reload(t.Context())
			assert.False(t, signingKey(t, r, "").Chain[0].Equal(p.cert), "the repaired file is not in use")
			assert.False(t, r.Stats().FileBroken, "the repaired file is not in use")
		})
	}
}

func TestSwappedSecretMountIsPickedUp(t *testing.T) {
	first, second := newPair(t, x509.Certificate{}), newPair(t, x509.Certificate{})
	dir := t.TempDir()
	mount := func(name string, p *pair) {
		t.Helper()
		folder := filepath.Join(dir, name)
		require.NoError(t, os.Mkdir(folder, 0o700))
		for file, content := range map[string][]byte{"tls.key": pkcs8(t, p.signer), "tls.crt": certPEM(p.cert)} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, file), content, 0o600))
		}
		next := filepath.Join(dir, "..data_tmp")
		require.NoError(t, os.Symlink(name, next))
		require.NoError(t, os.Rename(next, filepath.Join(dir, "..data")))
	}
	mount("..1", first)
	for _, file := range []string{"tls.key", "tls.crt"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)))
	}
	c := newClock()
	files := Files{Key: filepath.Join(dir, "tls.key"), Certificate: filepath.Join(dir, "tls.crt")}
	reloaded := make(chan struct{}, 1)
	logger := zaptest.NewLogger(t, zaptest.WrapOptions(zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == "reloaded "+files.String() {
			reloaded <- struct{}{}
		}
		return nil
	})))
	r, err := NewFileRing(t.Context(), new(memoryStore), files, Options{Now: c.Now, PollInterval: 50 * time.Millisecond}, logger)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	mount("..2", second)
	c.advance(reconcileInterval) // the watcher may not have started yet
	select {
	case <-reloaded:
	case <-time.After(10 * time.Second):
		t.Fatal("not reloaded")
	}
	assert.True(t, signingKey(t, r, "").Chain[0].Equal(second.cert), "the new key is not in use")
}

func TestReloadedAuthority(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	first := newPair(t, x509.Certificate{IsCA: true, NotAfter: start.AddDate(0, 3, 0)})
	path := write(t, first.pem(t))
	r := fileRing(t, store, c, path, Options{})
	before := bundle(t, r.Bundle(""))

	t.Run("renewed with the same key", func(t *testing.T) {
		renewed := certificate(t, x509.Certificate{IsCA: true, NotAfter: start.AddDate(0, 6, 0)}, first.signer, nil)
		replaceFile(t, path, slices.Concat(pkcs8(t, first.signer), certPEM(renewed)))
		c.advance(time.Hour)
		r.reload(t.Context())
		got := bundle(t, r.Bundle(""))
		require.Len(t, got, 1)
		assert.True(t, got[0].Equal(renewed))
		follow(t, r, c, 14*24*time.Hour, time.Hour, func() {
			require.NoError(t, verify(c.Now(), before, signingKey(t, r, "").Chain...), "registries have to restart")
		})
	})
	t.Run("replaced by another key", func(t *testing.T) {
		second := newPair(t, x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "second"}})
		replaceFile(t, path, second.pem(t))
		c.advance(time.Minute)
		old := signingKey(t, r, "").ID
		r.reload(t.Context())
		got := bundle(t, r.Bundle(""))
		require.Len(t, got, 2)
		require.True(t, got[0].Equal(second.cert))
		assert.Equal(t, old, signingKey(t, r, "").ID, "signs under an authority that registries have had no time to hear of")
		follow(t, r, c, 7*24*time.Hour, time.Hour, func() {
			require.NoError(t, verify(c.Now(), bundle(t, r.Bundle("")), signingKey(t, r, "").Chain...))
		})
		require.NoError(t, verify(c.Now(), []*x509.Certificate{second.cert}, signingKey(t, r, "").Chain...))
		assert.Len(t, bundle(t, r.Bundle("")), 1, "certificates in the bundle")
	})
}

func TestExpiryIsWarnedOfOnceADay(t *testing.T) {
	c := newClock()
	core, logs := observer.New(zapcore.WarnLevel)
	p := newPair(t, x509.Certificate{NotAfter: start.Add(32 * 24 * time.Hour)})
	r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: write(t, p.pem(t))}, Options{Now: c.Now, PollInterval: still}, zap.New(core))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	warnings := func() int { return logs.FilterMessageSnippet("expires soon").Len() }
	assert.Zero(t, warnings(), "warned too early")
	follow(t, r, c, 4*24*time.Hour, time.Hour, func() {})
	assert.Contains(t, []int{2, 3}, warnings(), "warnings in two days")
	c.advance(28*24*time.Hour - time.Minute)
	r.tick(t.Context())
	_, err = r.SigningKey("")
	require.ErrorIs(t, err, errNoSigningKey, "a minute before its end")
	assert.Zero(t, r.Stats().SigningKeyNotAfter, "stats name a signing key")
}
