package metrics

import (
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// gathered are the values of the metrics, by name and labels, all of them whole. Of
// histograms it is how much they have seen.
func gathered(t *testing.T, collectors ...prometheus.Collector) map[string]int64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry() // which compares them with what is described
	require.NoError(t, Register(registry, collectors...))
	families, err := registry.Gather()
	require.NoError(t, err)
	values := make(map[string]int64)
	for _, family := range families {
		for _, one := range family.GetMetric() {
			name := family.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetName() + "=" + label.GetValue()
			}
			values[name] = int64(one.GetGauge().GetValue()+one.GetCounter().GetValue()) + int64(one.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newRing(t *testing.T) *pki.Ring {
	t.Helper()
	ring, err := pki.NewGeneratedRing(t.Context(), openStore(t), pki.Options{Services: []string{"registry"}}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	return ring
}

// TestRegister guards that a registry which configurations share takes the metrics
// of each, and that a registry which has others of the same name does not.
func TestRegister(t *testing.T) {
	shared, keys, databases := prometheus.NewRegistry(), new(Keys), new(Databases)
	for range 2 {
		require.NoError(t, Register(shared, keys, databases))
		require.NoError(t, Register(prometheus.NewRegistry(), keys, databases))
	}
	other := prometheus.NewRegistry()
	require.NoError(t, other.Register(prometheus.NewGauge(prometheus.GaugeOpts{Name: "dockit_database_up", Help: "Another."})))
	assert.Error(t, Register(other, keys, databases))
}

// TestKeysGoOnOverConfigurations guards that dates are those of the newest
// configuration, and that no count is lost or doubled.
func TestKeysGoOnOverConfigurations(t *testing.T) {
	keys := new(Keys)
	assert.Equal(t, map[string]int64{
		"dockit_pki_rotations_total": 0, "dockit_pki_failures_total": 0, "dockit_pki_file_broken": 0,
		"dockit_pki_file_reloads_total": 0, "dockit_pki_file_reload_failures_total": 0,
	}, gathered(t, keys))

	first, second := newRing(t), newRing(t)
	rotations := func() int64 { return gathered(t, keys)["dockit_pki_rotations_total"] }
	rotate := func(ring *pki.Ring) {
		_, err := ring.Rotate(t.Context(), "")
		require.NoError(t, err)
	}
	keys.Add(first)
	rotate(first)
	assert.EqualValues(t, 1, rotations())
	keys.Add(second)
	rotate(second)
	rotate(first) // it still serves
	assert.EqualValues(t, 3, rotations())

	newest := second.Stats()
	values := gathered(t, keys)
	assert.InDelta(t, newest.SigningKeyNotAfter.Unix(), values["dockit_pki_signing_key_expiry_timestamp_seconds"], 0)
	assert.InDelta(t, newest.AuthorityNotAfter.Unix(), values["dockit_pki_authority_expiry_timestamp_seconds"], 0)

	for range 2 {
		keys.Remove(first)
		assert.EqualValues(t, 3, rotations())
	}
	rotate(second)
	keys.Remove(second)
	assert.EqualValues(t, 4, rotations())
	assert.NotContains(t, gathered(t, keys), "dockit_pki_signing_key_expiry_timestamp_seconds")
}

// TestKeysFromAFile guards what is said of a certificate without an authority, and
// of a file that is broken.
func TestKeysFromAFile(t *testing.T) {
	key, certificate, err := pki.NewPair(pki.PairRequest{
		Subject: pkix.Name{CommonName: "dockit"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "pair.pem")
	require.NoError(t, os.WriteFile(path, append(key, certificate...), 0o600))
	ring, err := pki.NewFileRing(t.Context(), openStore(t), pki.Files{Key: path}, pki.Options{Services: []string{"registry"}, PollInterval: 10 * time.Millisecond}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	keys := new(Keys)
	keys.Add(ring)
	values := gathered(t, keys)
	assert.NotContains(t, values, "dockit_pki_authority_expiry_timestamp_seconds")
	assert.Contains(t, values, "dockit_pki_signing_key_expiry_timestamp_seconds")
	assert.Zero(t, values["dockit_pki_file_broken"])

	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	require.Eventually(t, func() bool { return ring.Stats().FileBroken }, time.Minute, 10*time.Millisecond)
	values = gathered(t, keys)
	assert.EqualValues(t, 1, values["dockit_pki_file_broken"])
	assert.Positive(t, values["dockit_pki_file_reload_failures_total"])
	ring.Close()
	keys.Remove(ring)
	values = gathered(t, keys)
	assert.Zero(t, values["dockit_pki_file_broken"], "no configuration has that file")
	assert.Positive(t, values["dockit_pki_file_reload_failures_total"])
}

// TestServiceKeys guards that services with keys of their own have an expiry of
// their own.
func TestServiceKeys(t *testing.T) {
	ring, err := pki.NewGeneratedRing(t.Context(), openStore(t), pki.Options{Services: []string{"registry"}, Own: []string{"zot"}}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	keys := new(Keys)
	keys.Add(ring)
	key, err := ring.SigningKey("zot")
	require.NoError(t, err)
	values := gathered(t, keys)
	assert.InDelta(t, key.Chain[0].NotAfter.Unix(), values["dockit_pki_service_key_expiry_timestamp_seconds service=zot"], 0)
	assert.NotContains(t, values, "dockit_pki_service_key_expiry_timestamp_seconds service=registry")
}

func TestBuildInfo(t *testing.T) {
	for name, value := range gathered(t, NewBuildInfo()) {
		assert.Regexp(t, `^dockit_build_info caddy_version=\S+ commit=\S+ go_version=go1\S+ version=\S+$`, name)
		assert.EqualValues(t, 1, value)
	}
}
