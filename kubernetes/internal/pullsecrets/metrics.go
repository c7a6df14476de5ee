package pullsecrets

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what a controller does.
type Metrics struct {
	Renewals, Removals, Failures prometheus.Counter
	Leads                        prometheus.Gauge
}

// NewMetrics makes metrics, and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "dockit_pull_secrets", Name: name, Help: help})
	}
	m := &Metrics{
		Renewals: counter("renewals_total", "Secrets that were written with a new login."),
		Removals: counter("removals_total", "Secrets that were removed because nobody wants them any more."),
		Failures: counter("failures_total", "Attempts that came to nothing, and are made again."),
		Leads:    prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "dockit_pull_secrets", Name: "leads", Help: "1 on the replica that works."}),
	}
	r.MustRegister(m.Renewals, m.Removals, m.Failures, m.Leads)
	return m
}
