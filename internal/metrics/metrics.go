// Package metrics counts what outlives a configuration of Caddy: keys and the
// database. Those of requests are in package handlers.
package metrics

import (
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// Register registers what is not registered yet: every configuration has a registry
// of its own, or shares one with the configuration before.
func Register(registry *prometheus.Registry, collectors ...prometheus.Collector) error {
	for _, collector := range collectors {
		err := registry.Register(collector)
		if errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Keys tells of the keys of whatever configuration runs. Rings come and go with
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
		now.SigningKeyNotAfter, now.AuthorityNotAfter, now.FileBroken = newest.SigningKeyNotAfter, newest.AuthorityNotAfter, newest.FileBroken
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

func keyMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("dockit", "pki", name), help, nil, nil)
}

var (
	signingKeyExpiry  = keyMetric("signing_key_expiry_timestamp_seconds", "When the certificate of the shared signing key in use ends, in Unix time. Absent when no key can sign.")
	authorityExpiry   = keyMetric("authority_expiry_timestamp_seconds", "When the certificate authority in use ends, in Unix time. Absent when a brought certificate signs tokens itself.")
	keyRotations      = keyMetric("rotations_total", "Keys that this process has replaced by others.")
	keyFailures       = keyMetric("failures_total", "Failures to look after keys.")
	keyReloads        = keyMetric("file_reloads_total", "How often a changed pki file was taken into use.")
	keyReloadFailures = keyMetric("file_reload_failures_total", "How often a pki file could not be used when it was looked at.")
	keyFileBroken     = keyMetric("file_broken", "1 while the pki file cannot be used and the key that it held before stays in service.")
	allKeyMetrics     = []*prometheus.Desc{
		signingKeyExpiry, authorityExpiry, keyRotations, keyFailures, keyReloads, keyReloadFailures, keyFileBroken,
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
	gauge := func(description *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value)
	}
	counter := func(description *prometheus.Desc, value uint64) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.CounterValue, float64(value))
	}
	if !s.SigningKeyNotAfter.IsZero() {
		gauge(signingKeyExpiry, float64(s.SigningKeyNotAfter.Unix()))
	}
	if !s.AuthorityNotAfter.IsZero() {
		gauge(authorityExpiry, float64(s.AuthorityNotAfter.Unix()))
	}
	broken := 0.0
	if s.FileBroken {
		broken = 1
	}
	gauge(keyFileBroken, broken)
	counter(keyRotations, s.Rotations)
	counter(keyFailures, s.Failures)
	counter(keyReloads, s.Reloads)
	counter(keyReloadFailures, s.ReloadFailures)
}

// Interface guard
var _ prometheus.Collector = (*Keys)(nil)

// Databases tells of the database of whatever configuration runs.
type Databases struct {
	mu        sync.Mutex
	databases []database // the newest last
}

type database struct {
	store *store.Store
	cache *cache.Cache
}

// Add takes the database of a new configuration into account.
func (m *Databases) Add(s *store.Store, known *cache.Cache) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = append(m.databases, database{s, known})
}

// Remove forgets the database of a configuration once.
func (m *Databases) Remove(s *store.Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.databases, func(d database) bool { return d.store == s }); i >= 0 {
		m.databases = slices.Delete(m.databases, i, i+1)
	}
}

var (
	databaseUp = prometheus.NewDesc("dockit_database_up", "1 while the database answers, 0 while tokens are issued from memory.", nil, nil)
	clockSkew  = prometheus.NewDesc("dockit_clock_skew_seconds", "By how much the database's clock is ahead of this machine's. Absent for SQLite, which has no clock of its own.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (*Databases) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- databaseUp
	descriptions <- clockSkew
}

// Collect implements [prometheus.Collector].
func (m *Databases) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.databases) == 0 {
		return
	}
	newest, up := m.databases[len(m.databases)-1], 0.0
	if newest.cache.Unavailable() == nil {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, up)
	if clock := newest.store.Clock(); clock.Apart {
		metrics <- prometheus.MustNewConstMetric(clockSkew, prometheus.GaugeValue, clock.Ahead.Seconds())
	}
}

// Interface guard
var _ prometheus.Collector = (*Databases)(nil)
