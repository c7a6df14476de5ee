package handlers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/store"
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

// Causes of refusals, as the metrics name them.
const (
	causeInvalid            = "invalid_request"
	causeUnknownService     = "unknown_service"
	causeUnsupportedGrant   = "unsupported_grant"
	causeNoCredentials      = "no_credentials"
	causeCredentials        = "credentials"
	causeRefreshToken       = "refresh_token"
	causeIssuerToken        = "issuer_token"
	causeThrottled          = "throttled"
	causeForgeries          = "throttled_forgeries"
	causeBusy               = "busy"
	causeDatabaseAway       = "database_away"
	causeDatabaseUnwritable = "database_unwritable"
	causeClientGone         = "client_gone"
	causeInternal           = "internal"
)

// Metrics counts what the handlers do. One set serves every configuration that
// a process loads.
type Metrics struct {
	tokenRequests *prometheus.CounterVec
	tokenRefusals *prometheus.CounterVec
	tokenSeconds  *prometheus.HistogramVec
	sessions      *prometheus.CounterVec
	revocations   *prometheus.CounterVec
}

// NewMetrics makes the collectors without registering them.
func NewMetrics() *Metrics {
	return &Metrics{
		tokenRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dockit", Subsystem: "token", Name: "requests_total",
			Help: "Requests for registry tokens, and token exchanges, by service (empty when unknown), grant (anonymous, basic, password, refresh_token or token-exchange) and outcome: issued, invalid, unauthorized, throttled, busy, away (the database) or failed.",
		}, []string{"service", "grant", "outcome"}),
		tokenRefusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dockit", Subsystem: "token", Name: "refusals_total",
			Help: "Requests for registry tokens that got none, by service (empty when unknown) and reason.",
		}, []string{"service", "reason"}),
		tokenSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "dockit", Subsystem: "token", Name: "request_duration_seconds",
			Help:    "Time taken to answer a request for a registry token, by grant and outcome.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"grant", "outcome"}),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dockit", Subsystem: "sessions", Name: "started_total",
			Help: "Sessions that began with the token of an issuer, by issuer and kind: access for a token exchange, refresh for a docker login.",
		}, []string{"issuer", "kind"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "dockit", Subsystem: "token", Name: "revocations_total",
			Help: "Requests to revoke a token by who has it, by outcome: ended, unknown, unsupported, invalid, away (the database) or failed.",
		}, []string{"outcome"}),
	}
}

// Collectors lists what is to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.tokenRequests, m.tokenRefusals, m.tokenSeconds, m.sessions, m.revocations}
}

func (m *Metrics) tokenRequest(request tokenRequest, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	grant := request.grant()
	m.tokenRequests.WithLabelValues(request.serviceName(), grant, outcome).Inc()
	m.tokenSeconds.WithLabelValues(grant, outcome).Observe(took.Seconds())
}

func (m *Metrics) tokenRefused(request tokenRequest, told *refusal, took time.Duration) {
	if m == nil {
		return
	}
	m.tokenRequest(request, told.outcome, took)
	m.tokenRefusals.WithLabelValues(request.serviceName(), told.cause).Inc()
}

func (m *Metrics) sessionStarted(issuer string, kind store.SessionKind) {
	if m != nil {
		m.sessions.WithLabelValues(issuer, string(kind)).Inc()
	}
}

func (m *Metrics) revocation(outcome string) {
	if m != nil {
		m.revocations.WithLabelValues(outcome).Inc()
	}
}
