package store

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/pki"
)

func TestKeysComeBackAsTheyWereWritten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
		records := []pki.Record{
			{
				ID: "a", Purpose: pki.Authority, Certificate: []byte{1, 0, 2}, PrivateKey: []byte{3}, Sealing: "name", MAC: []byte{0, 255, 5},
				CreatedAt: at, ActiveFrom: at.Add(1 * time.Hour), RetiredAt: at.Add(2 * time.Hour), RevokedAt: at.Add(3 * time.Hour),
			},
			{ID: "b", Purpose: pki.Own, Service: "zot.example.com", Issuer: "a", Certificate: []byte{4}, External: true, CreatedAt: at},
		}
		version, none, err := s.Keys(t.Context())
		if err != nil || version != 0 || len(none) != 0 {
			t.Fatalf("new database: version %d, keys %v, error %v", version, none, err)
		}
		if err := s.ChangeKeys(t.Context(), 0, records, nil); err != nil {
			t.Fatal(err)
		}
		version, got, err := s.Keys(t.Context())
		if err != nil || version != 1 || !reflect.DeepEqual(got, records) {
			t.Errorf("version %d, error %v\n got %+v\nwant %+v", version, err, got, records)
		}

		records[0].RevokedAt = time.Time{}
		if err := s.ChangeKeys(t.Context(), 1, records[:1], []string{"b"}); err != nil {
			t.Fatal(err)
		}
		version, got, err = s.Keys(t.Context())
		if err != nil || version != 2 || !reflect.DeepEqual(got, records[:1]) {
			t.Errorf("version %d, error %v\n got %+v\nwant %+v", version, err, got, records[:1])
		}
		if alone, err := s.KeyVersion(t.Context()); err != nil || alone != version {
			t.Errorf("version alone: %d, error %v", alone, err)
		}
	})
}

func TestChangeKeysRefusesAnOldVersion(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		record := pki.Record{ID: "a", Purpose: pki.Authority, Certificate: []byte{1}, CreatedAt: time.Now()}
		if err := s.ChangeKeys(t.Context(), 0, []pki.Record{record}, nil); err != nil {
			t.Fatal(err)
		}
		for _, version := range []int64{0, 2} {
			if err := s.ChangeKeys(t.Context(), version, nil, []string{"a"}); !errors.Is(err, pki.ErrConflict) {
				t.Errorf("version %d: %v", version, err)
			}
		}
		if version, records, err := s.Keys(t.Context()); err != nil || version != 1 || len(records) != 1 {
			t.Errorf("version %d, %d keys, error %v", version, len(records), err)
		}
	})
}

func TestNodesOnOneDatabaseAgreeOnKeys(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		bundles := make([]string, 6)
		var wg sync.WaitGroup
		for i := range bundles {
			wg.Go(func() {
				s, err := Open(t.Context(), config, zaptest.NewLogger(t))
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{}, zaptest.NewLogger(t))
				if err != nil {
					t.Error(err)
					return
				}
				defer ring.Close()
				bundles[i] = string(ring.Bundle("registry"))
			})
		}
		wg.Wait()
		if len(slices.Compact(bundles)) != 1 || bundles[0] == "" {
			t.Error("nodes publish different authorities")
		}
	})
}

func TestNodesOnOneDatabaseRotateUnderLoad(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		options := pki.Options{KidOnly: []string{"jwks"}, PollInterval: 20 * time.Millisecond}
		var rings []*pki.Ring
		for range 2 {
			ring, err := pki.NewGeneratedRing(t.Context(), openConfig(t, config), options, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(ring.Close)
			rings = append(rings, ring)
		}
		// What two registries read when they started.
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(rings[0].Bundle("registry"))
		known := rings[1].KeySet("jwks")

		done := make(chan struct{})
		var signing, rotating sync.WaitGroup
		for _, ring := range rings {
			signing.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					key, err := ring.SigningKey("registry")
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := key.Chain[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
						t.Error(err)
						return
					}
					if key, err = ring.SigningKey("jwks"); err != nil || len(known.Key(key.ID)) == 0 {
						t.Errorf("key that the registry does not know, error %v", err)
						return
					}
				}
			})
			rotating.Go(func() {
				for range 2 {
					if _, err := ring.Rotate(t.Context(), ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		rotating.Wait()
		if _, err := rings[0].RotateAuthority(t.Context(), false); err != nil {
			t.Error(err)
		}
		same := func() bool {
			a, errA := rings[0].SigningKey("registry")
			b, errB := rings[1].SigningKey("registry")
			return errA == nil && errB == nil && a.ID == b.ID
		}
		for deadline := time.Now().Add(10 * time.Second); !same(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("nodes sign with different keys")
				break
			}
		}
		close(done)
		signing.Wait()
	})
}

func TestReplacedPrivateKeyLeavesTheFiles(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "dockit.sqlite"))
	secret := bytes.Repeat([]byte("in the clear "), 20)
	record := pki.Record{ID: "a", Purpose: pki.Authority, Certificate: []byte{1}, PrivateKey: secret, CreatedAt: time.Now()}
	if err := s.ChangeKeys(t.Context(), 0, []pki.Record{record}, nil); err != nil {
		t.Fatal(err)
	}
	if !inFiles(t, dir, secret) {
		t.Fatal("the key is not where this test looks for it")
	}
	record.PrivateKey = []byte("sealed")
	if err := s.ChangeKeys(t.Context(), 1, []pki.Record{record}, nil); err != nil {
		t.Fatal(err)
	}
	if inFiles(t, dir, secret) {
		t.Error("a copy of the files still holds the key")
	}
}

func inFiles(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, what) {
			return true
		}
	}
	return false
}
