package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dockit-registry/dockit/e2e/internal/processtime"
)

// crowd is how many connections ask at once where the throughput of many is measured.
const crowd = 64

// load is how much of the greatest one there is while latencies are measured.
const load = 0.8

// figures are those of one case, one of each round.
type figures struct {
	benchCase
	size int
	// perSecond is as fast as answers come, and cpu the time that the server spends on one then. p50 and p99 are under load.
	perSecond, allocations, allocated []float64
	cpu, p50, p99                     []time.Duration
	// respond and sign are what cannot be avoided, measured right before.
	respond, sign []time.Duration
	// crowded is the throughput of many connections, of the plain case alone.
	crowded []float64
	held    held
}

// measure measures all cases in turns, so that what else the machine does meets all of them.
func (s *site) measure(ctx context.Context) (*report, error) {
	cases, err := s.cases(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*figures, len(cases))
	for i, c := range cases {
		all[i] = &figures{benchCase: c}
		if all[i].size, err = c.size(ctx); err != nil {
			return nil, err
		}
		if s.responders[all[i].size] == nil {
			if s.responders[all[i].size], err = s.startResponder(ctx, all[i].size); err != nil {
				return nil, err
			}
		}
	}
	for round := range s.options.rounds {
		say("round %d of %d", round+1, s.options.rounds)
		for _, f := range all {
			if err := s.round(ctx, f); err != nil {
				return nil, fmt.Errorf("%s: %w", f.title, err)
			}
		}
	}
	return newReport(s, all), nil
}

// size is that of the answer. On a busy machine, a server may not come at once to read what it will have in memory.
func (c benchCase) size(ctx context.Context) (int, error) {
	const patience = time.Minute
	for began := time.Now(); ; {
		req, err := c.target.Request()
		if err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req.WithContext(ctx))
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(resp.Body)
		err = errors.Join(err, resp.Body.Close())
		switch {
		case err != nil:
			return 0, err
		case resp.StatusCode == c.status:
			return len(body), nil
		case resp.StatusCode != http.StatusServiceUnavailable || time.Since(began) > patience:
			return 0, fmt.Errorf("%s: %s: %.300s", c.title, resp.Status, body)
		}
	}
}

// round measures one case, and what it is compared with before.
func (s *site) round(ctx context.Context, f *figures) error {
	length := s.options.length
	sign, err := signature(s.cores.Server, length/4)
	if err != nil {
		return err
	}
	responder := s.responders[f.size]
	other := f.target
	other.URL = responder.URL + f.target.URL[len(f.server.URL):]
	connections := s.options.connections
	if f.slow {
		connections = 1 // many that ask the same wait for one another
	}
	respond, _, err := s.flat(ctx, responder, other, http.StatusOK, connections)
	if err != nil {
		return err
	}
	f.sign, f.respond = append(f.sign, sign), append(f.respond, respond)

	before, err := f.server.allocated(ctx)
	if err != nil {
		return err
	}
	cpu, metrics, err := s.flat(ctx, f.server, f.target, f.status, connections)
	if err != nil {
		return err
	}
	after, err := f.server.allocated(ctx)
	if err != nil {
		return err
	}
	if f.held, err = f.server.held(); err != nil {
		return err
	}
	answers, perSecond := float64(metrics.Requests), answersPerSecond(metrics)
	f.cpu, f.perSecond = append(f.cpu, cpu), append(f.perSecond, perSecond)
	f.allocations = append(f.allocations, (after.times-before.times)/answers)
	f.allocated = append(f.allocated, (after.bytes-before.bytes)/answers)
	if f.id == plain {
		_, many, err := s.flat(ctx, f.server, f.target, f.status, crowd)
		if err != nil {
			return err
		}
		f.crowded = append(f.crowded, answersPerSecond(many))
	}
	if !f.slow {
		if metrics, err = attack(ctx, f.target, f.status, crowd, load*perSecond, length); err != nil {
			return err
		}
	}
	f.p50, f.p99 = append(f.p50, metrics.Latencies.P50), append(f.p99, metrics.Latencies.P99)
	return nil
}

// flat asks as fast as answers come, and tells what one cost the server.
func (s *site) flat(ctx context.Context, n *server, target vegeta.Target, status, connections int) (time.Duration, *vegeta.Metrics, error) {
	before, err := processtime.Of(n.PID())
	if err != nil {
		return 0, nil, err
	}
	metrics, err := attack(ctx, target, status, connections, 0, s.options.length)
	if err != nil {
		return 0, nil, err
	}
	after, err := processtime.Of(n.PID())
	return (after - before) / time.Duration(metrics.Requests), metrics, err
}

// answersPerSecond counts refusals as well.
func answersPerSecond(m *vegeta.Metrics) float64 {
	return float64(m.Requests) / (m.Duration + m.Wait).Seconds()
}

// median of one figure of each round.
func median[T float64 | time.Duration](all []T) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
