package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// settle is how long a server that has nothing to do is left alone before its memory is looked at.
var settle = 3 * time.Second

// figures are what one database cost, by the id of what was measured.
type figures struct {
	// cpu and megabytes have one value for each round.
	cpu       map[string][]time.Duration
	megabytes map[string][]float64
	latencies map[string][]time.Duration
}

func newFigures() *figures {
	return &figures{cpu: map[string][]time.Duration{}, megabytes: map[string][]float64{}, latencies: map[string][]time.Duration{}}
}

// compare measures both databases in turns, so that what else the machine does meets both.
func compare(ctx context.Context, binary string, small, large *database, rounds int) (*report, error) {
	of := map[*database]*figures{small: newFigures(), large: newFigures()}
	for number := range rounds {
		for _, d := range []*database{small, large} {
			say("round %d of %d, %d users", number+1, rounds, d.users)
			if err := of[d].measure(ctx, binary, d, number); err != nil {
				return nil, fmt.Errorf("measure with %d users: %w", d.users, err)
			}
		}
	}
	for _, d := range []*database{small, large} {
		say("reading everything, %d users", d.users)
		if err := of[d].everything(ctx, binary, d); err != nil {
			return nil, fmt.Errorf("read everything with %d users: %w", d.users, err)
		}
	}
	return newReport(small, large, of[small], of[large]), nil
}

// measure is one round with one database.
func (f *figures) measure(ctx context.Context, binary string, d *database, number int) error {
	return f.serving(ctx, binary, d, func(p *probe) error {
		r := round{p, number}
		if err := f.idle(ctx, r, "memory_started"); err != nil {
			return err
		}
		for _, part := range []struct {
			works  []work
			memory string
		}{{listings, "memory_listed"}, {asking, "memory_asked"}} {
			for _, w := range part.works {
				if err := f.repeat(ctx, r, w); err != nil {
					return fmt.Errorf("%s: %w", w.title, err)
				}
			}
			if err := f.idle(ctx, r, part.memory); err != nil {
				return err
			}
		}
		return f.remember(p, "memory_peak", peak)
	})
}

// everything reads all there is, with a server of its own, because that may leave memory behind.
func (f *figures) everything(ctx context.Context, binary string, d *database) error {
	return f.serving(ctx, binary, d, func(p *probe) error {
		r := round{probe: p}
		var pages int
		err := f.timed(p, "users_all", func() (n int, err error) {
			pages, err = r.sweep(ctx)
			return pages, err
		})
		if err != nil {
			return err
		}
		if err := f.timed(p, "export", func() (int, error) { return 1, r.export(ctx) }); err != nil {
			return err
		}
		if err := f.remember(p, "memory_export", peak); err != nil {
			return err
		}
		return f.idle(ctx, r, "memory_exported")
	})
}

// serving runs a server, measures its start, and stops it.
func (f *figures) serving(ctx context.Context, binary string, d *database, use func(*probe) error) (err error) {
	began := time.Now()
	server, err := dockit.Run(ctx, dockit.Config{Binary: binary, Dir: d.folder, RootUser: rootUser, RootPassword: rootPassword})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := server.WaitReady(ctx, http.DefaultClient, server.URL+"/readyz", http.StatusOK); err != nil {
		return err
	}
	f.latencies["open"] = append(f.latencies["open"], time.Since(began))
	used, err := cpuTime(server.PID())
	if err != nil {
		return err
	}
	f.cpu["open"] = append(f.cpu["open"], used)
	return use(newProbe(server, d))
}

// repeat does some work again and again.
func (f *figures) repeat(ctx context.Context, r round, w work) error {
	before, err := cpuTime(r.server.PID())
	if err != nil {
		return err
	}
	for i := range w.times {
		began := time.Now()
		if err := w.do(ctx, r, i); err != nil {
			return err
		}
		f.latencies[w.id] = append(f.latencies[w.id], time.Since(began))
	}
	used, err := cpuTime(r.server.PID())
	f.cpu[w.id] = append(f.cpu[w.id], (used-before)/time.Duration(w.times))
	return err
}

// timed does something that has so many parts once. Its figures are those of a part.
func (f *figures) timed(p *probe, id string, do func() (parts int, err error)) error {
	before, err := cpuTime(p.server.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	parts, err := do()
	if err != nil {
		return err
	}
	f.latencies[id] = append(f.latencies[id], time.Since(began)/time.Duration(parts))
	used, err := cpuTime(p.server.PID())
	f.cpu[id] = append(f.cpu[id], (used-before)/time.Duration(parts))
	return err
}

func (f *figures) idle(ctx context.Context, r round, id string) error {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.remember(r.probe, id, resident)
}

func (f *figures) remember(p *probe, id, what string) error {
	mb, err := memory(p.server.PID(), what)
	f.megabytes[id] = append(f.megabytes[id], mb)
	return err
}

// quantile of some durations, or zero of none.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1))]
}
