package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/internal/auth"
)

// Logins counts what happens to passwords, over all databases.
type Logins struct {
	lockouts prometheus.Counter
	waited   prometheus.Histogram
	took     prometheus.Histogram
}

// NewLogins makes the collectors without registering them.
func NewLogins() *Logins {
	const namespace = "dockit"
	buckets := []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return &Logins{
		lockouts: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "lockouts_total",
			Help: "Lockouts after wrong passwords that began on this node.",
		}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "password_check_wait_seconds",
			Help: "How long passwords waited to be hashed.", Buckets: buckets,
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "password_check_duration_seconds",
			Help: "How long it took to hash them. What was right within the last minute is not hashed again.", Buckets: buckets,
		}),
	}
}

// Collectors lists what is to be registered.
func (m *Logins) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.lockouts, m.waited, m.took}
}

// Observe has an Authenticator, and all that share its store, tell of passwords.
func (m *Logins) Observe(a *auth.Authenticator) {
	a.ObserveChecks(func(waited, took time.Duration) {
		m.waited.Observe(waited.Seconds())
		m.took.Observe(took.Seconds())
	})
}

// LockedOut counts a lockout.
func (m *Logins) LockedOut() { m.lockouts.Inc() }
