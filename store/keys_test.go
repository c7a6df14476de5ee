package store

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		require.NoError(t, err, "new database")
		require.Zero(t, version, "new database")
		require.Empty(t, none, "new database")
		require.NoError(t, s.ChangeKeys(t.Context(), 0, records, nil))
		version, got, err := s.Keys(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, version)
		assert.Equal(t, records, got)

		records[0].RevokedAt = time.Time{}
		require.NoError(t, s.ChangeKeys(t.Context(), 1, records[:1], []string{"b"}))
		version, got, err = s.Keys(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, version)
		assert.Equal(t, records[:1], got)
		alone, err := s.KeyVersion(t.Context())
		require.NoError(t, err, "version alone")
		assert.Equal(t, version, alone, "version alone")
	})
}

func TestChangeKeysRefusesAnOldVersion(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		record := pki.Record{ID: "a", Purpose: pki.Authority, Certificate: []byte{1}, CreatedAt: time.Now()}
		require.NoError(t, s.ChangeKeys(t.Context(), 0, []pki.Record{record}, nil))
		for _, version := range []int64{0, 2} {
			require.ErrorIs(t, s.ChangeKeys(t.Context(), version, nil, []string{"a"}), pki.ErrConflict, "version %d", version)
		}
		version, records, err := s.Keys(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, version)
		assert.Len(t, records, 1)
	})
}

func TestNodesOnOneDatabaseAgreeOnKeys(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		bundles := make([]string, 6)
		var wg sync.WaitGroup
		bundle := func() ([]byte, error) {
			s, err := Open(t.Context(), config, zaptest.NewLogger(t))
			if err != nil {
				return nil, err
			}
			defer s.Close()
			ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{}, zaptest.NewLogger(t))
			if err != nil {
				return nil, err
			}
			defer ring.Close()
			return ring.Bundle("registry"), nil
		}
		for i := range bundles {
			wg.Go(func() {
				one, err := bundle()
				bundles[i] = string(one)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, slices.Compact(bundles), 1, "nodes publish different authorities")
		assert.NotEmpty(t, bundles[0], "nodes publish different authorities")
	})
}

func TestNodesOnOneDatabaseRotateUnderLoad(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		options := pki.Options{KidOnly: []string{"jwks"}, PollInterval: 20 * time.Millisecond}
		var rings []*pki.Ring
		for range 2 {
			ring, err := pki.NewGeneratedRing(t.Context(), openConfig(t, config), options, zaptest.NewLogger(t))
			require.NoError(t, err)
			t.Cleanup(ring.Close)
			rings = append(rings, ring)
		}
		// What two registries read when they started.
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(rings[0].Bundle("registry"))
		known := rings[1].KeySet("jwks")

		accepted := func(ring *pki.Ring) error {
			key, err := ring.SigningKey("registry")
			if err != nil {
				return err
			}
			if _, err = key.Chain[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				return err
			}
			if key, err = ring.SigningKey("jwks"); err == nil && len(known.Key(key.ID)) == 0 {
				err = errors.New("key that the registry does not know")
			}
			return err
		}

		done := make(chan struct{})
		var signing, rotating sync.WaitGroup
		defer signing.Wait()
		defer close(done)
		for _, ring := range rings {
			signing.Go(func() {
				for assert.NoError(t, accepted(ring)) {
					select {
					case <-done:
						return
					default:
					}
				}
			})
			rotating.Go(func() {
				for range 2 {
					_, err := ring.Rotate(t.Context(), "")
					assert.NoError(t, err)
				}
			})
		}
		rotating.Wait()
		_, err := rings[0].RotateAuthority(t.Context(), false)
		require.NoError(t, err)
		same := func() bool {
			a, errA := rings[0].SigningKey("registry")
			b, errB := rings[1].SigningKey("registry")
			return errA == nil && errB == nil && a.ID == b.ID
		}
		for deadline := time.Now().Add(10 * time.Second); !same(); time.Sleep(time.Millisecond) {
			require.LessOrEqual(t, time.Now(), deadline, "nodes sign with different keys")
		}
	})
}

func TestReplacedPrivateKeyLeavesTheFiles(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "dockit.sqlite"))
	secret := bytes.Repeat([]byte("in the clear "), 20)
	record := pki.Record{ID: "a", Purpose: pki.Authority, Certificate: []byte{1}, PrivateKey: secret, CreatedAt: time.Now()}
	require.NoError(t, s.ChangeKeys(t.Context(), 0, []pki.Record{record}, nil))
	require.True(t, inFiles(t, dir, secret), "the key is not where this test looks for it")
	record.PrivateKey = []byte("sealed")
	require.NoError(t, s.ChangeKeys(t.Context(), 1, []pki.Record{record}, nil))
	assert.False(t, inFiles(t, dir, secret), "a copy of the files still holds the key")
}

func inFiles(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		require.NoError(t, err)
		if bytes.Contains(content, what) {
			return true
		}
	}
	return false
}
