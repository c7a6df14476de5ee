// Package metrics counts what outlives a configuration of Caddy: keys, logins, and
// the database. Those of requests are in package handlers.
//
// No label has the name of a user, a robot or a repository: what they can be is
// bounded by the configuration.
package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/internal/version"
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

// NewBuildInfo is a metric that says what was built.
func NewBuildInfo() prometheus.Collector {
	build := version.Read()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "dockit_build_info", Help: "1, with the versions that this program was built from as labels.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go_version": build.Go, "caddy_version": build.Caddy},
	}, func() float64 { return 1 })
}

// sendGauge and sendCounter send one value each.
func sendGauge(metrics chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func sendCounter(metrics chan<- prometheus.Metric, d *prometheus.Desc, value uint64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}
