package pullsecrets

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/cache"
)

// Metrics count what a controller does, and say how it is.
type Metrics struct {
	Renewals, Removals, Failures, Unrevoked prometheus.Counter

	mu            sync.Mutex
	leads, filled bool
	failing       map[cache.ObjectName]bool
	// unread are the namespaces of a list that are not read yet, and listed is how many there are.
	unread func() []string
	listed int
}

// NewMetrics makes metrics, and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	const namespace = "dockit_pull_secrets"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		Renewals:  counter("renewals_total", "Secrets that were written with a new login."),
		Removals:  counter("removals_total", "Secrets that were removed because nobody wants them any more."),
		Failures:  counter("failures_total", "Attempts that came to nothing, and are made again."),
		Unrevoked: counter("unrevoked_total", "Logins that were to be ended and were not: they are good until they end by themselves."),
		failing:   map[cache.ObjectName]bool{},
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	r.MustRegister(
		m.Renewals, m.Removals, m.Failures, m.Unrevoked,
		gauge("leads", "1 on the replica that works.", func() int {
			if leads, _, _ := m.status(); leads {
				return 1
			}
			return 0
		}),
		gauge("failing", "Service accounts whose last attempt came to nothing: their secrets end with the login that they have.", func() int {
			_, _, failing := m.status()
			return failing
		}),
		gauge("unread_namespaces", "Namespaces of --watch-namespace whose service accounts are not read: nothing is done there.", func() int {
			names, _ := m.notRead()
			return len(names)
		}),
	)
	return m
}

// status is whether this replica works, whether it knows what there is to do, and for how many
// service accounts the last attempt came to nothing.
func (m *Metrics) status() (leads, filled bool, failing int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leads, m.filled, len(m.failing)
}

func (m *Metrics) setLeads(leads bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads, m.filled, m.unread, m.listed = leads, false, nil, 0
	clear(m.failing)
}

// setUnread says which namespaces of a list of so many are not read yet.
func (m *Metrics) setUnread(unread func() []string, listed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unread, m.listed = unread, listed
}

// notRead are the namespaces of a list whose service accounts are not read yet, and whether others are worked on.
func (m *Metrics) notRead() (names []string, others bool) {
	m.mu.Lock()
	unread, listed := m.unread, m.listed
	m.mu.Unlock()
	if unread != nil {
		names = unread()
	}
	return names, len(names) < listed
}

func (m *Metrics) setFilled() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.filled = true
}

func (m *Metrics) failed(name cache.ObjectName) {
	m.Failures.Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing[name] = true
}

func (m *Metrics) succeeded(name cache.ObjectName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.failing, name)
}
