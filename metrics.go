package dockit

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/metrics"
)

// Metrics are made once: every configuration has a registry of its own, and
// counters go on over reloads.
var (
	requestMetrics  = handlers.NewMetrics()
	keyMetrics      = new(metrics.Keys)
	loginMetrics    = metrics.NewLogins()
	databaseMetrics = new(metrics.Databases)
	buildInfo       = metrics.NewBuildInfo()
)

// collectors are those of every metric.
func collectors() []prometheus.Collector {
	return slices.Concat(requestMetrics.Collectors(), loginMetrics.Collectors(), []prometheus.Collector{keyMetrics, databaseMetrics, buildInfo})
}

// registerMetrics adds them to the registry of a configuration.
func registerMetrics(ctx caddy.Context) error {
	return metrics.Register(ctx.GetMetricsRegistry(), collectors()...)
}
