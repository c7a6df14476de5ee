package dockit

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// databaseMetrics tell of the database of whatever configuration runs.
type databaseMetrics struct {
	mu        sync.Mutex
	databases []*database // the newest last
}

// add takes the database of a new configuration into account.
func (m *databaseMetrics) add(d *database) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = append(m.databases, d)
}

func (m *databaseMetrics) remove(d *database) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.databases, d); i >= 0 {
		m.databases = slices.Delete(m.databases, i, i+1)
	}
}

var (
	databaseUp = prometheus.NewDesc("dockit_database_up", "1 while the database answers, 0 while tokens are issued from memory.", nil, nil)
	clockSkew  = prometheus.NewDesc("dockit_clock_skew_seconds", "By how much the database's clock is ahead of this machine's. Absent for SQLite, which has no clock of its own.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (*databaseMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- databaseUp
	descriptions <- clockSkew
}

// Collect implements [prometheus.Collector].
func (m *databaseMetrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.databases) == 0 {
		return
	}
	newest, up := m.databases[len(m.databases)-1], 0.0
	if newest.directory.Away() == nil {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, up)
	if clock := newest.store.Clock(); clock.Apart {
		metrics <- prometheus.MustNewConstMetric(clockSkew, prometheus.GaugeValue, clock.Ahead.Seconds())
	}
}

// Interface guard
var _ prometheus.Collector = (*databaseMetrics)(nil)
