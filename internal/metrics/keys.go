package metrics

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/pki"
)

// Keys reports on the keys of the newest ring. Rings come and go with the settings of
// configurations; what they counted stays.
type Keys struct {
	mu    sync.Mutex
	rings []*pki.Ring // the newest last
	gone  pki.Stats   // the counts of those that were closed
}

// Add takes a new ring into account.
func (m *Keys) Add(ring *pki.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rings = append(m.rings, ring)
}

// Remove keeps what a ring has counted until it was closed.
func (m *Keys) Remove(ring *pki.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.rings, ring); i >= 0 {
		m.rings = slices.Delete(m.rings, i, i+1)
		m.gone = withCounts(m.gone, ring.Stats())
	}
}

// stats are the dates of the newest ring and the counts of all.
func (m *Keys) stats() pki.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	var now pki.Stats
	if len(m.rings) > 0 {
		newest := m.rings[len(m.rings)-1].Stats()
		now.SigningKeyNotAfter, now.ServiceKeys = newest.SigningKeyNotAfter, newest.ServiceKeys
		now.AuthorityNotAfter, now.FileBroken = newest.AuthorityNotAfter, newest.FileBroken
	}
	now = withCounts(now, m.gone)
	for _, ring := range m.rings {
		now = withCounts(now, ring.Stats())
	}
	return now
}

func withCounts(s, other pki.Stats) pki.Stats {
	s.Rotations += other.Rotations
	s.Failures += other.Failures
	s.Reloads += other.Reloads
	s.ReloadFailures += other.ReloadFailures
	return s
}

func keyMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("dockit", "pki", name), help, labels, nil)
}

var (
	signingKeyExpiry  = keyMetric("signing_key_expiry_timestamp_seconds", "When the certificate of the shared signing key in use ends, in Unix time. Absent when no key can sign.")
	serviceKeyExpiry  = keyMetric("service_key_expiry_timestamp_seconds", "When the certificate of the signing key in use ends, in Unix time, for each service that has not the shared one. Absent when no key can sign.", "service")
	authorityExpiry   = keyMetric("authority_expiry_timestamp_seconds", "When the certificate authority in use ends, in Unix time. Absent when an external certificate signs tokens itself.")
	keyRotations      = keyMetric("rotations_total", "Keys that this process has replaced by others.")
	keyFailures       = keyMetric("failures_total", "Failures to look after keys.")
	keyReloads        = keyMetric("file_reloads_total", "How often a changed pki file was taken into use.")
	keyReloadFailures = keyMetric("file_reload_failures_total", "How often a pki file could not be used when it was looked at.")
	keyFileBroken     = keyMetric("file_broken", "1 while the pki file cannot be used and the key that it held before stays in service.")
	allKeyMetrics     = []*prometheus.Desc{
		signingKeyExpiry, serviceKeyExpiry, authorityExpiry, keyRotations, keyFailures, keyReloads, keyReloadFailures, keyFileBroken,
	}
)

// Describe implements [prometheus.Collector].
func (*Keys) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range allKeyMetrics {
		descriptions <- description
	}
}

// Collect implements [prometheus.Collector].
func (m *Keys) Collect(metrics chan<- prometheus.Metric) {
	s := m.stats()
	if !s.SigningKeyNotAfter.IsZero() {
		sendGauge(metrics, signingKeyExpiry, float64(s.SigningKeyNotAfter.Unix()))
	}
	for service, end := range s.ServiceKeys {
		sendGauge(metrics, serviceKeyExpiry, float64(end.Unix()), service)
	}
	if !s.AuthorityNotAfter.IsZero() {
		sendGauge(metrics, authorityExpiry, float64(s.AuthorityNotAfter.Unix()))
	}
	broken := 0.0
	if s.FileBroken {
		broken = 1
	}
	sendGauge(metrics, keyFileBroken, broken)
	sendCounter(metrics, keyRotations, s.Rotations)
	sendCounter(metrics, keyFailures, s.Failures)
	sendCounter(metrics, keyReloads, s.Reloads)
	sendCounter(metrics, keyReloadFailures, s.ReloadFailures)
}

// Interface guard
var _ prometheus.Collector = (*Keys)(nil)
