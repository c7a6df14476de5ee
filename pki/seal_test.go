package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

func encryptionKeys(t *testing.T, lines ...string) []EncryptionKey {
	t.Helper()
	keys, err := ParseEncryptionKeys(strings.Join(lines, "\n"))
	require.NoError(t, err)
	return keys
}

const (
	secretA = "one very secret text of enough length"
	secretB = "another very secret text, long enough"
)

// inTheClear counts private keys that every reader of the store sees.
func inTheClear(t *testing.T, store Store) (clear, sealed int) {
	t.Helper()
	_, records, err := store.Keys(t.Context())
	require.NoError(t, err)
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
	c, store := newClock(), new(memoryStore)
	id := signingKey(t, generatedRing(t, store, c, Options{Own: []string{"zot"}}), "").ID
	clear, sealed := inTheClear(t, store)
	require.Equal(t, 4, clear, "without an encryption key")
	require.Zero(t, sealed, "without an encryption key")
	c.advance(time.Minute)
	r := generatedRing(t, store, c, Options{Own: []string{"zot"}, EncryptionKeys: encryptionKeys(t, secretA), SealExisting: true})
	clear, sealed = inTheClear(t, store)
	assert.Zero(t, clear, "turned on")
	assert.Equal(t, 4, sealed, "turned on")
	assert.Equal(t, id, signingKey(t, r, "").ID, "sealing changed the signing key")
	c.advance(time.Minute)
	_, err := r.RotateAuthority(t.Context(), false)
	require.NoError(t, err)
	clear, _ = inTheClear(t, store)
	assert.Zero(t, clear, "new keys in the clear")
}

func TestEncryptionKeyChanges(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	withA := generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretA)})
	id := signingKey(t, withA, "").ID
	c.advance(time.Minute)
	withBoth := generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretB, "", secretA, "")})

	// A node that has not been restarted yet goes on with what it knows.
	withA.tick(t.Context())
	c.advance(time.Hour)
	update(t, withA)
	for _, r := range []*Ring{withA, withBoth, generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretB)})} {
		got := signingKey(t, r, "").ID
		assert.Equal(t, id, got, "signs with %s instead of %s", got, id)
	}
}

func TestWrongEncryptionKeyIsAClearError(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	generatedRing(t, store, c, Options{EncryptionKeys: encryptionKeys(t, secretA)})
	before, _, _ := store.Keys(t.Context())
	for _, test := range []struct {
		name string
		keys []EncryptionKey
		want error
	}{
		{"another key", encryptionKeys(t, secretB), errWrongEncryptionKey},
		{"no key", nil, errSealed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewGeneratedRing(t.Context(), store, Options{EncryptionKeys: test.keys, Now: c.Now}, zaptest.NewLogger(t))
			require.ErrorIs(t, err, test.want)
			assert.NotContains(t, err.Error(), secretA, "the error gives the key away")
			assert.NotContains(t, err.Error(), secretB, "the error gives the key away")
		})
	}
	after, _, _ := store.Keys(t.Context())
	assert.Equal(t, before, after, "something was written")
}

func TestSealedKeyBelongsToItsRecord(t *testing.T) {
	seals := sealer{keys: encryptionKeys(t, secretA)}
	record := Record{ID: "a", Purpose: Own, Service: "zot"}
	seals.seal(&record, []byte("private"))
	require.NotContains(t, string(record.PrivateKey), "private", "not sealed")
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
			_, err := seals.open(&changed)
			assert.ErrorIs(t, err, errTampered)
		})
	}
	plain, err := seals.open(&record)
	require.NoError(t, err, "%q", plain)
	assert.Equal(t, "private", string(plain), "%q", plain)
}

func TestParseEncryptionKeysRefuses(t *testing.T) {
	for _, text := range []string{"", "\n \n", "short", secretA + "\nshort"} {
		_, err := ParseEncryptionKeys(text)
		assert.ErrorIs(t, err, errEncryptionKeyTooShort, text)
	}
}

// rewrite changes the records of a store as an attacker with the database does.
func rewrite(t *testing.T, store Store, change func([]Record) []Record) {
	t.Helper()
	version, records, err := store.Keys(t.Context())
	require.NoError(t, err)
	var gone []string
	for _, record := range records {
		gone = append(gone, record.ID)
	}
	require.NoError(t, store.ChangeKeys(t.Context(), version, nil, gone))
	require.NoError(t, store.ChangeKeys(t.Context(), version+1, change(records), nil))
}

// recordOf finds the record for a purpose.
func recordOf(t *testing.T, records []Record, purpose Purpose, fits func(Record) bool) *Record {
	t.Helper()
	for i := range records {
		if records[i].Purpose == purpose && fits(records[i]) {
			return &records[i]
		}
	}
	t.Fatalf("no key for %s", purpose)
	return nil
}

func waits(r Record) bool { return r.ActiveFrom.IsZero() }

// foreignRecords are the keys of another Dockit, which has no encryption key.
func foreignRecords(t *testing.T, c *clock) []Record {
	t.Helper()
	store := new(memoryStore)
	generatedRing(t, store, c, Options{Own: []string{"zot"}, KidOnly: []string{"jwks"}})
	_, records, err := store.Keys(t.Context())
	require.NoError(t, err)
	return records
}

// A copy of the keys of an unsealed database in the place of sealed ones is
// refused at the start, and believed by no node that runs.
func TestKeysInTheClearAreRefusedOnceSealed(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	options := Options{Own: []string{"zot"}, KidOnly: []string{"jwks"}, EncryptionKeys: encryptionKeys(t, secretA)}
	r := generatedRing(t, store, c, options)
	foreign := foreignRecords(t, c)
	c.advance(time.Minute)
	rewrite(t, store, func([]Record) []Record { return foreign })

	options.Now = c.Now
	_, err := NewGeneratedRing(t.Context(), store, options, zaptest.NewLogger(t))
	require.ErrorIs(t, err, ErrUnsealed, "start")
	clear, sealed := inTheClear(t, store)
	assert.NotZero(t, clear, "the refused start wrote")
	assert.Zero(t, sealed, "the refused start wrote")
	update(t, r)
	trustsNone(t, r, foreign)
}

// trustsNone makes sure that a ring has nothing to do with some keys.
func trustsNone(t *testing.T, r *Ring, foreign []Record) {
	t.Helper()
	for _, service := range []string{"", "zot", "jwks"} {
		for _, record := range foreign {
			for _, cert := range bundle(t, r.Bundle(service)) {
				assert.NotEqual(t, record.Certificate, cert.Raw, "service %q: the bundle holds a foreign %s", service, record.Purpose)
			}
			assert.False(t, publishes(r, service, record.ID), "service %q: the key set holds a foreign %s", service, record.Purpose)
			if key, err := r.SigningKey(service); err == nil {
				assert.NotEqual(t, record.Certificate, key.Chain[0].Raw, "service %q: a foreign key signs", service)
			}
		}
	}
}

// Nothing that an attacker without the encryption key writes into the database is
// trusted: neither by nodes that run nor at a start.
func TestForgedRecordsAreTrustedWithNothing(t *testing.T) {
	for name, test := range map[string]struct {
		forge func(t *testing.T, c *clock, records, foreign []Record) []Record
		// refused is set where there is no start with them.
		refused error
	}{
		"a waiting authority without a private key": {func(t *testing.T, _ *clock, records, foreign []Record) []Record {
			forged := *recordOf(t, foreign, Authority, waits)
			forged.PrivateKey = nil
			return append(records, forged)
		}, nil},
		"a waiting authority with something sealed": {func(t *testing.T, _ *clock, records, foreign []Record) []Record {
			forged := *recordOf(t, foreign, Authority, waits)
			forged.PrivateKey, forged.Sealing = []byte("sealed, or so it says, with a nonce"), records[0].Sealing
			return append(records, forged)
		}, errTampered},
		"a waiting authority sealed under an unknown key": {func(t *testing.T, _ *clock, records, foreign []Record) []Record {
			forged := *recordOf(t, foreign, Authority, waits)
			forged.PrivateKey, forged.Sealing = []byte("sealed, or so it says, with a nonce"), "0011223344556677"
			return append(records, forged)
		}, errWrongEncryptionKey},
		"a retired authority with a key that still verifies": {func(t *testing.T, c *clock, records, foreign []Record) []Record {
			leaf := *recordOf(t, foreign, Shared, func(Record) bool { return true })
			authority := *recordOf(t, foreign, Authority, func(r Record) bool { return r.ID == leaf.Issuer })
			authority.PrivateKey, leaf.PrivateKey = nil, nil
			authority.RetiredAt, leaf.RetiredAt = c.Now(), c.Now()
			return append(records, authority, leaf)
		}, nil},
		"retired keys of services": {func(_ *testing.T, c *clock, records, foreign []Record) []Record {
			for _, record := range foreign {
				if record.Purpose == Own || record.Purpose == KidOnly {
					record.PrivateKey, record.RetiredAt, record.ActiveFrom = nil, c.Now(), c.Now()
					records = append(records, record)
				}
			}
			return records
		}, nil},
		"an authority from a file": {func(t *testing.T, c *clock, records, foreign []Record) []Record {
			forged := *recordOf(t, foreign, Authority, waits)
			forged.PrivateKey, forged.External, forged.ActiveFrom = nil, true, c.Now()
			return append(records, forged)
		}, nil},
		"the certificate of another key": {func(t *testing.T, _ *clock, records, foreign []Record) []Record {
			recordOf(t, records, Authority, waits).Certificate = recordOf(t, foreign, Authority, waits).Certificate
			return records
		}, errKeyMismatch},
		"another certificate of the same key": {func(t *testing.T, c *clock, records, foreign []Record) []Record {
			target, issuer := recordOf(t, records, Authority, waits), recordOf(t, foreign, Authority, waits)
			target.Certificate = crossSigned(t, target, issuer)
			issuer.Certificate = target.Certificate // what must not be trusted
			return records
		}, errTampered},
		"the same without a MAC": {func(t *testing.T, c *clock, records, foreign []Record) []Record {
			target, issuer := recordOf(t, records, Authority, waits), recordOf(t, foreign, Authority, waits)
			target.Certificate, target.MAC = crossSigned(t, target, issuer), nil
			issuer.Certificate = target.Certificate
			return records
		}, errTampered},
		"a signing key under another authority, without a MAC": {func(t *testing.T, c *clock, records, foreign []Record) []Record {
			target, issuer := recordOf(t, records, Shared, func(Record) bool { return true }), recordOf(t, foreign, Authority, waits)
			target.Certificate, target.Issuer, target.MAC = crossSigned(t, target, issuer), issuer.ID, nil
			authority := *issuer
			authority.PrivateKey = nil
			issuer.Certificate = target.Certificate
			return append(records, authority)
		}, nil},
	} {
		t.Run(name+", on a node that runs", func(t *testing.T) {
			c, store := newClock(), new(memoryStore)
			options := Options{Own: []string{"zot"}, KidOnly: []string{"jwks"}, EncryptionKeys: encryptionKeys(t, secretA)}
			running := generatedRing(t, store, c, options)
			foreign := foreignRecords(t, c)
			c.advance(time.Minute)
			rewrite(t, store, func(records []Record) []Record { return test.forge(t, c, records, foreign) })

			update(t, running)
			trustsNone(t, running, foreign)
			signingKey(t, running, "")
		})
		t.Run(name+", at the start", func(t *testing.T) {
			c, store := newClock(), new(memoryStore)
			options := Options{Own: []string{"zot"}, KidOnly: []string{"jwks"}, EncryptionKeys: encryptionKeys(t, secretA)}
			generatedRing(t, store, c, options)
			foreign := foreignRecords(t, c)
			c.advance(time.Minute)
			rewrite(t, store, func(records []Record) []Record { return test.forge(t, c, records, foreign) })
			options.Now, options.PollInterval = c.Now, still
			started, err := NewGeneratedRing(t.Context(), store, options, zaptest.NewLogger(t))
			require.ErrorIs(t, err, test.refused, "start")
			if err != nil {
				return
			}
			t.Cleanup(started.Close)
			trustsNone(t, started, foreign)
			update(t, started)
			trustsNone(t, started, foreign)
		})
	}
}

// crossSigned is a certificate for the key of one record by an authority.
func crossSigned(t *testing.T, target, issuer *Record) []byte {
	t.Helper()
	cert, err := x509.ParseCertificate(target.Certificate)
	require.NoError(t, err)
	parent, err := x509.ParseCertificate(issuer.Certificate)
	require.NoError(t, err)
	key, err := x509.ParsePKCS8PrivateKey(issuer.PrivateKey)
	require.NoError(t, err)
	template := *cert
	template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, cert.PublicKey, key.(crypto.Signer))
	require.NoError(t, err)
	return der
}

// A revocation cannot be taken back with the database.
func TestRevokedRecordStaysRevoked(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	options := Options{EncryptionKeys: encryptionKeys(t, secretA)}
	r := generatedRing(t, store, c, options)
	_, records, _ := store.Keys(t.Context())
	next := *recordOf(t, records, Authority, waits)
	c.advance(time.Minute)
	_, err := r.Revoke(t.Context(), next.ID)
	require.NoError(t, err)
	rewrite(t, store, func(records []Record) []Record {
		recordOf(t, records, Authority, func(r Record) bool { return r.ID == next.ID }).RevokedAt = time.Time{}
		return records
	})
	update(t, r)
	trustsNone(t, r, []Record{next})
	trustsNone(t, generatedRing(t, store, c, options), []Record{next})
}

// An encryption key is turned on for keys that exist when the options say so.
func TestSealExisting(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	id := signingKey(t, generatedRing(t, store, c, Options{}), "").ID
	options := Options{EncryptionKeys: encryptionKeys(t, secretA), Now: c.Now, PollInterval: still}
	_, err := NewGeneratedRing(t.Context(), store, options, zaptest.NewLogger(t))
	require.ErrorIs(t, err, ErrUnsealed, "without being told to")
	options.SealExisting = true
	core, logs := observer.New(zap.WarnLevel)
	r, err := NewGeneratedRing(t.Context(), store, options, zap.New(core))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	clear, sealed := inTheClear(t, store)
	assert.Zero(t, clear)
	assert.Equal(t, 3, sealed)
	assert.Equal(t, id, signingKey(t, r, "").ID)
	assert.Equal(t, 3, logs.FilterMessage("sealed a key that stood in the clear").Len(), "keys logged")
	assert.Equal(t, 1, logs.FilterMessageSnippet("remove seal_existing").Len(), "no warning that it is for one start")
	// A node that runs takes nothing over.
	foreign := foreignRecords(t, c)
	rewrite(t, store, func(records []Record) []Record { return append(records, foreign...) })
	update(t, r)
	trustsNone(t, r, foreign)

	options.EncryptionKeys = nil
	_, err = NewGeneratedRing(t.Context(), new(memoryStore), options, zaptest.NewLogger(t))
	assert.Error(t, err, "there is nothing to seal with")
}

// Keys that were sealed before records had a MAC go on to be used, and get one.
func TestSealedKeysWithoutMACAreTakenOver(t *testing.T) {
	c, store := newClock(), new(memoryStore)
	options := Options{Services: []string{"registry"}, Own: []string{"zot"}, KidOnly: []string{"jwks"}, EncryptionKeys: encryptionKeys(t, secretA)}
	r := generatedRing(t, store, c, options)
	c.advance(time.Minute)
	_, err := r.RotateAuthority(t.Context(), false)
	require.NoError(t, err)
	c.advance(time.Hour)
	update(t, r)
	want := map[string][]byte{}
	services := []string{"", "zot", "jwks"}
	for _, service := range services {
		want[service] = r.Bundle(service)
	}
	id := signingKey(t, r, "").ID
	var retired []string
	rewrite(t, store, func(records []Record) []Record {
		for i := range records {
			records[i].MAC = nil
			if len(records[i].PrivateKey) == 0 {
				retired = append(retired, records[i].ID)
			}
		}
		return records
	})
	upgraded := generatedRing(t, store, c, options)
	got := signingKey(t, upgraded, "").ID
	assert.Equal(t, id, got, "signs with %s, before the upgrade with %s", got, id)
	for _, service := range services {
		assert.Equal(t, want[service], upgraded.Bundle(service), "service %q: another bundle after the upgrade", service)
	}
	require.NotEmpty(t, retired)
	assert.Len(t, upgraded.Keys(), len(r.Keys()))
	_, records, _ := store.Keys(t.Context())
	for _, record := range records {
		assert.Equal(t, slices.Contains(retired, record.ID), len(record.MAC) == 0, "%s key %s: MAC %x", record.Purpose, record.ID, record.MAC)
	}
}
