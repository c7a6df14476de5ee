package dockit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/handlers"
)

// metrics are made once: every configuration has a registry of its own, and
// counters go on over reloads.
var (
	metrics           = handlers.NewMetrics()
	metricsOfKeys     = new(keyMetrics)
	metricsOfDatabase = new(databaseMetrics)
)

func registerMetrics(registry *prometheus.Registry) error {
	for _, collector := range append(metrics.Collectors(), metricsOfKeys, metricsOfDatabase) {
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
