package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
)

func encryptionKeys(t *testing.T, lines ...string) []EncryptionKey {
	t.Helper()
	keys, err := ParseEncryptionKeys(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

const (
	secretA = "one very secret text of enough length"
	secretB = "another very secret text, long enough"
)

// inTheClear counts private keys that anybody can read.
func inTheClear(t *testing.T, store Store) (clear, sealed int) {
	t.Helper()
	_, records, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if len(record.PrivateKey) == 0 {
			continue
		}
		if _, err := x509.ParsePKCS8PrivateKey(record.PrivateKey); err == nil {
			clear++
		} else {
			sealed++
		}
	}
	return clear, sealed
}

func TestPrivateKeysAreSealed(t *testing.T) {
	c, store := newClock(), new(MemoryStore)
	id := signingKey(t, generatedRing(t, store, c, Options{Own: []string{"zot"}}), "").ID
	if clear, sealed := inTheClear(t, store); clear != 4 || sealed != 0 {
		t.Fatalf("without an encryption key: %d in the clear, %d sealed", clear, sealed)
	}
	c.advance(time.Minute)
	r := generatedRing(t, store, c, Options{Own: []string{"zot"}, EncryptionKeys: encryptionKeys(t, secretA), SealExisting: true})
	if clear, sealed := inTheClear(t, store); clear != 0 || sealed != 4 {
		t.Errorf("turned on: %d in the clear, %d sealed", clear, sealed)
	}
	if signingKey(t, r, "").ID != id {
		t.Error("sealing changed the signing key")
	}
	c.advance(time.Minute)
	if _, err := r.RotateAuthority(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if clear, _ := inTheClear(t, store); clear != 0 {
		t.Errorf("%d new keys in the clear", clear)
	}
}

func TestEncryptionKeyChanges(t *testing.T) {
	c, store := newClock(), new(MemoryStore)
	withA := generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretA)})
	id := signingKey(t, withA, "").ID
	c.advance(time.Minute)
	withBoth := generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretB, "", secretA, "")})

	// A node that has not been restarted yet goes on with what it knows.
	withA.tick(t.Context())
	c.advance(time.Hour)
	update(t, withA)
	for _, r := range []*Ring{withA, withBoth, generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretB)})} {
		if got := signingKey(t, r, "").ID; got != id {
			t.Errorf("signs with %s instead of %s", got, id)
		}
	}
}

func TestWrongEncryptionKeyIsAClearError(t *testing.T) {
	c, store := newClock(), new(MemoryStore)
	generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretA)})
	before, _, _ := store.Keys(t.Context())
	for _, test := range []struct {
		name string
		keys []EncryptionKey
		want error
	}{
		{"another key", encryptionKeys(t, secretB), ErrWrongEncryptionKey},
		{"no key", nil, ErrSealed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewGeneratedRing(t.Context(), store, Options{EncryptionKeys: test.keys, Now: c.Now}, zaptest.NewLogger(t))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if strings.Contains(err.Error(), secretA) || strings.Contains(err.Error(), secretB) {
				t.Error("the error gives the key away")
			}
		})
	}
	if after, _, _ := store.Keys(t.Context()); after != before {
		t.Error("something was written")
	}
}

func TestSealedKeyBelongsToItsRecord(t *testing.T) {
	seals := sealer{keys: encryptionKeys(t, secretA)}
	record := Record{ID: "a", Purpose: Own, Service: "zot"}
	seals.seal(&record, []byte("private"))
	if bytes.Contains(record.PrivateKey, []byte("private")) {
		t.Fatal("not sealed")
	}
	for name, change := range map[string]func(*Record){
		"another id":      func(r *Record) { r.ID = "b" },
		"another purpose": func(r *Record) { r.Purpose = Shared },
		"another service": func(r *Record) { r.Service = "registry" },
		"a flipped bit":   func(r *Record) { r.PrivateKey[3] ^= 1 },
		"cut off":         func(r *Record) { r.PrivateKey = r.PrivateKey[:5] },
	} {
		t.Run(name, func(t *testing.T) {
			changed := record
			changed.PrivateKey = bytes.Clone(record.PrivateKey)
			change(&changed)
			if _, err := seals.open(&changed); !errors.Is(err, ErrTampered) {
				t.Errorf("error %v", err)
			}
		})
	}
	if plain, err := seals.open(&record); err != nil || string(plain) != "private" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestParseEncryptionKeysRefuses(t *testing.T) {
	for _, text := range []string{"", "\n \n", "short", secretA + "\nshort"} {
		if _, err := ParseEncryptionKeys(text); !errors.Is(err, ErrEncryptionKeyTooShort) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
