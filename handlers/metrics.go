package handlers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of a request for a token.
const (
	outcomeIssued       = "issued"
	outcomeInvalid      = "invalid"
	outcomeUnauthorized = "unauthorized"
	outcomeThrottled    = "throttled"
	outcomeBusy         = "busy"
	outcomeAway         = "away"
	outcomeFailed       = "failed"
)

// Metrics counts what the handlers do. One set serves every configuration that
// a process loads.
type Metrics struct {
	tokenRequests *prometheus.CounterVec
	tokenSeconds  *prometheus.HistogramVec
}

// NewMetrics makes the collectors without registering them.
func NewMetrics() *Metrics {
	return &Metrics{
		tokenRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dockit", Subsystem: "token", Name: "requests_total",
			Help: "Requests for registry tokens, by service (empty when unknown) and outcome: issued, invalid, unauthorized, throttled, busy, away (the database) or failed.",
		}, []string{"service", "outcome"}),
		tokenSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "dockit", Subsystem: "token", Name: "request_duration_seconds",
			Help:    "Time taken to answer a request for a registry token, by outcome.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"outcome"}),
	}
}

// Collectors lists what is to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.tokenRequests, m.tokenSeconds}
}

func (m *Metrics) tokenRequest(service, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	m.tokenRequests.WithLabelValues(service, outcome).Inc()
	m.tokenSeconds.WithLabelValues(outcome).Observe(took.Seconds())
}
