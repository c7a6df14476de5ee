package dockit

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/directory"
)

// databaseMetrics tell of the database of whatever configuration runs.
type databaseMetrics struct {
	mu          sync.Mutex
	directories []*directory.Directory // the newest last
}

// add takes the database of a new configuration into account.
func (m *databaseMetrics) add(d *directory.Directory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.directories = append(m.directories, d)
}

func (m *databaseMetrics) remove(d *directory.Directory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.directories, d); i >= 0 {
		m.directories = slices.Delete(m.directories, i, i+1)
	}
}

var databaseUp = prometheus.NewDesc("dockit_database_up", "1 while the database answers, 0 while tokens are issued from memory.", nil, nil)

// Describe implements [prometheus.Collector].
func (*databaseMetrics) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- databaseUp }

// Collect implements [prometheus.Collector].
func (m *databaseMetrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.directories) == 0 {
		return
	}
	up := 0.0
	if m.directories[len(m.directories)-1].Away() == nil {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, up)
}

// Interface guard
var _ prometheus.Collector = (*databaseMetrics)(nil)
