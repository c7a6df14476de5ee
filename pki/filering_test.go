package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

func fileRing(t *testing.T, store Store, c *clock, path string, options Options) *Ring {
	t.Helper()
	options.Now, options.PollInterval = c.Now, still
	r, err := NewFileRing(t.Context(), store, Files{Key: path}, options, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
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
	if err := os.WriteFile(next, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestBroughtCertificateIsItsOwnAnchor(t *testing.T) {
	company := newPair(t, x509.Certificate{Subject: pkix.Name{CommonName: "company"}, IsCA: true})
	key := generate(t, RSA2048)
	leaf := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "dockit"}}, key, company)
	r := fileRing(t, new(memoryStore), newClock(), write(t, pkcs1(key), certPEM(leaf, company.cert)), Options{KidOnly: []string{"jwks"}})

	anchors := bundle(t, r.Bundle("registry"))
	if len(anchors) != 1 || !anchors[0].Equal(leaf) {
		t.Fatalf("%d certificates in the bundle, the first of %q", len(anchors), anchors[0].Subject)
	}
	signing := signingKey(t, r, "registry")
	if signing.Algorithm != "RS256" || len(signing.Chain) != 1 {
		t.Errorf("algorithm %s, %d certificates", signing.Algorithm, len(signing.Chain))
	}
	if err := verify(start, anchors, signing.Chain...); err != nil {
		t.Error(err)
	}
	// Somebody else's certificate from the same issuer opens nothing.
	other := certificate(t, x509.Certificate{}, generate(t, EC256), company)
	if err := verify(start, anchors, other, company.cert); err == nil {
		t.Error("a certificate of the issuer is accepted")
	}
	if signingKey(t, r, "jwks").ID != signing.ID || !publishes(r, "jwks", signing.ID) {
		t.Error("kid-only service uses another key")
	}
	if _, err := r.Rotate(t.Context(), ""); !errors.Is(err, ErrExternal) {
		t.Errorf("rotate: %v", err)
	}
	if _, err := r.RotateAuthority(t.Context(), true); !errors.Is(err, ErrExternal) {
		t.Errorf("rotate authority: %v", err)
	}
	if _, err := r.Revoke(t.Context(), signing.ID); !errors.Is(err, ErrExternal) {
		t.Errorf("revoke: %v", err)
	}
}

func TestBroughtCertificateAndServicesWithKeysOfTheirOwn(t *testing.T) {
	p := newPair(t, x509.Certificate{})
	path := write(t, p.pem(t))
	options := Options{Services: []string{"registry"}, Own: []string{"zot"}}
	r := fileRing(t, new(memoryStore), newClock(), path, options)
	if signingKey(t, r, "zot").ID == signingKey(t, r, "registry").ID {
		t.Error("the key is shared")
	}
	alone := fileRing(t, new(memoryStore), newClock(), path, Options{Own: []string{"zot"}})
	if !signingKey(t, alone, "zot").Chain[0].Equal(p.cert) {
		t.Error("the only service does not use the brought key")
	}
}

func TestBroughtKeyWithAZeroByte(t *testing.T) {
	var p *pair
	for p == nil || hasFullCoordinates(p.signer.Public()) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p = &pair{signer: key}
	}
	p.cert = certificate(t, x509.Certificate{}, p.signer, nil)
	path := write(t, p.pem(t))
	key := signingKey(t, fileRing(t, new(memoryStore), newClock(), path, Options{}), "registry")
	if hasFullCoordinates(key.Signer.Public()) {
		t.Error("reported as good for kid-only tokens")
	}
	_, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{KidOnly: []string{"jwks"}, Now: newClock().Now}, zaptest.NewLogger(t))
	if !errors.Is(err, errUnsupportedKey) {
		t.Errorf("for a kid-only service: %v", err)
	}
}

func TestBroughtAuthority(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	authority := newPair(t, x509.Certificate{IsCA: true})
	path := write(t, authority.pem(t))
	r := fileRing(t, store, c, path, Options{Services: []string{"registry"}, KidOnly: []string{"jwks"}, Own: []string{"zot"}})

	anchors := bundle(t, r.Bundle("registry"))
	if len(anchors) != 1 || !anchors[0].Equal(authority.cert) {
		t.Fatalf("%d certificates in the bundle", len(anchors))
	}
	ids := []string{signingKey(t, r, "registry").ID, signingKey(t, r, "jwks").ID, signingKey(t, r, "zot").ID}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Error("services share keys")
	}
	first := signingKey(t, r, "registry").ID
	follow(t, r, c, 14*24*time.Hour, time.Hour, func() {
		if err := verify(c.Now(), anchors, signingKey(t, r, "registry").Chain...); err != nil {
			t.Fatal(err)
		}
	})
	if signingKey(t, r, "registry").ID == first {
		t.Error("the key has not been replaced")
	}
	_, records, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if record.External && len(record.PrivateKey) > 0 {
			t.Error("the brought private key is in the store")
		}
	}
	second := fileRing(t, store, c, path, Options{KidOnly: []string{"jwks"}})
	if signingKey(t, second, "registry").ID != signingKey(t, r, "registry").ID {
		t.Error("two nodes sign with different keys")
	}
}

func TestStartTakesTheConfiguredAuthority(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	authority := newPair(t, x509.Certificate{IsCA: true})
	path := write(t, authority.pem(t))
	generated := generatedRing(t, store, c, Options{})
	own := bundle(t, generated.Bundle(""))

	c.advance(time.Hour)
	external := fileRing(t, store, c, path, Options{})
	if err := verify(c.Now(), []*x509.Certificate{authority.cert}, signingKey(t, external, "").Chain...); err != nil {
		t.Errorf("with a brought authority: %v", err)
	}
	c.advance(time.Hour)
	again := generatedRing(t, store, c, Options{})
	if err := verify(c.Now(), own, signingKey(t, again, "").Chain...); err != nil {
		t.Errorf("with Dockit's own authority again: %v", err)
	}
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
	if want := []Replaced{{Purpose: Shared, KeyID: old, External: true}}; !slices.Equal(replaced, want) {
		t.Errorf("told of %+v, want %+v", replaced, want)
	}
	key := signingKey(t, r, "")
	if !key.Chain[0].Equal(second.cert) {
		t.Fatal("the new key is not in use")
	}
	if !publishes(r, "", old) || !publishes(r, "", key.ID) {
		t.Error("both keys should be published")
	}
	if anchors := bundle(t, r.Bundle("")); len(anchors) != 2 || !anchors[0].Equal(second.cert) {
		t.Errorf("%d certificates in the bundle", len(anchors))
	}
	if stats := r.Stats(); stats.Reloads != 1 || stats.ReloadFailures != 0 || stats.FileBroken {
		t.Errorf("stats: %+v", stats)
	}

	c.advance(8 * time.Minute)
	r.tick(t.Context())
	if publishes(r, "", old) || len(bundle(t, r.Bundle(""))) != 1 {
		t.Error("the old key is published after its last token has expired")
	}
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
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			if test.name == "missing" {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, test.content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c.advance(time.Minute)
				r.reload(t.Context())
			}
			if !signingKey(t, r, "").Chain[0].Equal(p.cert) || len(bundle(t, r.Bundle(""))) != 1 {
				t.Error("the key changed")
			}
			if stats := r.Stats(); stats.ReloadFailures != 3 || !stats.FileBroken {
				t.Errorf("stats: %+v", stats)
			}
			if got := logs.FilterMessageSnippet("reloading pki files").Len(); got != 1 {
				t.Errorf("logged %d times, want once", got)
			}
			text := logs.All()[0].ContextMap()["error"].(string)
			if !bytes.Contains([]byte(text), []byte(test.want)) || !bytes.Contains([]byte(text), []byte(path)) {
				t.Errorf("logged %q", text)
			}

			replaceFile(t, path, good)
			r.reload(t.Context())
			if signingKey(t, r, "").Chain[0].Equal(p.cert) || r.Stats().FileBroken {
				t.Error("the repaired file is not in use")
			}
		})
	}
}

func TestSwappedSecretMountIsPickedUp(t *testing.T) {
	first, second := newPair(t, x509.Certificate{}), newPair(t, x509.Certificate{})
	dir := t.TempDir()
	mount := func(name string, p *pair) {
		t.Helper()
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{"tls.key": pkcs8(t, p.signer), "tls.crt": certPEM(p.cert)} {
			if err := os.WriteFile(filepath.Join(folder, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		next := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(name, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", first)
	for _, file := range []string{"tls.key", "tls.crt"} {
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
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
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	mount("..2", second)
	c.advance(reconcileInterval) // the watcher may not have started yet
	select {
	case <-reloaded:
	case <-time.After(10 * time.Second):
		t.Fatal("not reloaded")
	}
	if !signingKey(t, r, "").Chain[0].Equal(second.cert) {
		t.Error("the new key is not in use")
	}
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
		if got := bundle(t, r.Bundle("")); len(got) != 1 || !got[0].Equal(renewed) {
			t.Errorf("%d certificates in the bundle", len(got))
		}
		follow(t, r, c, 14*24*time.Hour, time.Hour, func() {
			if err := verify(c.Now(), before, signingKey(t, r, "").Chain...); err != nil {
				t.Fatalf("registries have to restart: %v", err)
			}
		})
	})
	t.Run("replaced by another key", func(t *testing.T) {
		second := newPair(t, x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "second"}})
		replaceFile(t, path, second.pem(t))
		c.advance(time.Minute)
		old := signingKey(t, r, "").ID
		r.reload(t.Context())
		if got := bundle(t, r.Bundle("")); len(got) != 2 || !got[0].Equal(second.cert) {
			t.Fatalf("%d certificates in the bundle", len(got))
		}
		if signingKey(t, r, "").ID != old {
			t.Error("signs under an authority that registries have had no time to hear of")
		}
		follow(t, r, c, 7*24*time.Hour, time.Hour, func() {
			if err := verify(c.Now(), bundle(t, r.Bundle("")), signingKey(t, r, "").Chain...); err != nil {
				t.Fatal(err)
			}
		})
		if err := verify(c.Now(), []*x509.Certificate{second.cert}, signingKey(t, r, "").Chain...); err != nil {
			t.Error(err)
		}
		if got := bundle(t, r.Bundle("")); len(got) != 1 {
			t.Errorf("%d certificates in the bundle", len(got))
		}
	})
}

func TestExpiryIsWarnedOfOnceADay(t *testing.T) {
	c := newClock()
	core, logs := observer.New(zapcore.WarnLevel)
	p := newPair(t, x509.Certificate{NotAfter: start.Add(32 * 24 * time.Hour)})
	r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: write(t, p.pem(t))}, Options{Now: c.Now, PollInterval: still}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	warnings := func() int { return logs.FilterMessageSnippet("expires soon").Len() }
	if warnings() != 0 {
		t.Error("warned too early")
	}
	follow(t, r, c, 4*24*time.Hour, time.Hour, func() {})
	if got := warnings(); got != 2 && got != 3 {
		t.Errorf("%d warnings in two days", got)
	}
	c.advance(28*24*time.Hour - time.Minute)
	r.tick(t.Context())
	if _, err := r.SigningKey(""); !errors.Is(err, errNoSigningKey) {
		t.Errorf("a minute before its end: %v", err)
	}
	if !r.Stats().SigningKeyNotAfter.IsZero() {
		t.Error("stats name a signing key")
	}
}
