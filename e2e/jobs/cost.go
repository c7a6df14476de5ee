package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/processtime"
)

// maxCost is how often as much as by an access token a login may cost by the token of an issuer that was seen before.
const maxCost = 1.3

// cost compares the CPU time that both take of the server, in turns, so that what else the machine does meets both.
func cost(ctx context.Context, o options, folder string) (figures []figure, err error) {
	dir, err := subfolder(folder, "dockit")
	if err != nil {
		return nil, err
	}
	s, err := startSite(ctx, dockit.Config{Binary: o.programs.dockit, Dir: dir})
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	accessToken, err := s.accessToken(ctx)
	if err != nil {
		return nil, err
	}
	jobToken, err := s.issuer.Sign(issuer.Token{Audience: service, Life: time.Hour})
	if err != nil {
		return nil, err
	}
	say("comparing what logins cost, %d times %d of each kind", o.rounds, o.round)
	var ratios, ofAccess, ofJob []float64
	for round := range o.rounds + 1 {
		order := []string{accessToken, jobToken}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		spent := map[string]float64{}
		for _, password := range order {
			if spent[password], err = s.spent(ctx, password, o.round); err != nil {
				return nil, err
			}
		}
		if round == 0 {
			continue // when everything is new
		}
		ofAccess, ofJob = append(ofAccess, spent[accessToken]), append(ofJob, spent[jobToken])
		ratios = append(ratios, spent[jobToken]/spent[accessToken])
	}
	return []figure{
		told("cost_access_us", "CPU time of a login by access token, in microseconds", median(ofAccess)),
		told("cost_job_us", "CPU time of a login by the token of an issuer, in microseconds", median(ofJob)),
		promised("cost_ratio", "of these, the second by the first", median(ratios), maxCost, fmt.Sprintf("%.2f to %.2f", slices.Min(ratios), slices.Max(ratios))),
	}, nil
}

// spent is what one login took of the server, in microseconds.
func (s *site) spent(ctx context.Context, password string, times int) (float64, error) {
	before, err := processtime.Of(s.PID())
	if err != nil {
		return 0, err
	}
	for range times {
		a, err := s.login(ctx, password, "")
		if err != nil {
			return 0, err
		}
		if !a.OK() {
			return 0, fmt.Errorf("log in: %s", a)
		}
	}
	after, err := processtime.Of(s.PID())
	return float64((after - before).Microseconds()) / float64(times), err
}

func median(all []float64) float64 { return quantile(all, 0.5) }

func quantile(all []float64, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[int(q*float64(len(all)-1))]
}
