package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBench measures for moments, so that what measures for minutes is sure to work. What it finds is not judged.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	o := options{length: 50 * time.Millisecond, rounds: 1, connections: 2, json: true, many: 2000, only: regexp.MustCompile("")}
	if err := run(t.Context(), o, &out); err != nil {
		require.ErrorIs(t, err, errLimits)
	}
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s", out.Bytes())
	require.Len(t, r.Cases, 16)
	for _, c := range r.Cases {
		for name, figure := range map[string]float64{
			"requests": c.PerSecond, "p50": c.P50, "p99": c.P99, "CPU": c.CPU, "allocations": c.Allocations, "bytes": c.Allocated,
			"memory": c.Resident, "its own": c.Anonymous, "size": float64(c.Size), "respond": c.Respond, "signature": c.Signature, "ratio": c.Ratio,
		} {
			assert.Positive(t, figure, "%s of %s", name, c.ID)
		}
	}
	var ids []string
	for _, v := range r.Verdicts {
		ids = append(ids, v.ID)
		assert.Positive(t, v.Value, v.ID)
	}
	assert.Equal(t, []string{"logged_cost", "shared_cpu", "idle_resident", "idle_anonymous", "binary", "cost", "tail", "crowded", remembered, scopes60, largest}, ids)
	out.Reset()
	require.NoError(t, r.write(&out, false))
	assert.Contains(t, out.String(), "access token, 60 scopes")
}

func TestVerdicts(t *testing.T) {
	costing := func(cpu time.Duration) *figures {
		return &figures{
			cpu: []time.Duration{cpu}, respond: []time.Duration{25}, sign: []time.Duration{25},
			p50: []time.Duration{100}, p99: []time.Duration{499}, crowded: []float64{0.81 / 50e-9},
		}
	}
	for name, tc := range map[string]struct {
		of     map[string]*figures
		failed []string
	}{
		"fine":              {map[string]*figures{plain: costing(60), logged: costing(67), remembered: costing(65), scopes60: costing(150), largest: costing(70)}, nil},
		"everything slow":   {map[string]*figures{plain: costing(70), logged: costing(80)}, []string{"logged_cost", "cost"}},
		"many permissions":  {map[string]*figures{plain: costing(60), largest: costing(80)}, []string{largest}},
		"passwords, scopes": {map[string]*figures{plain: costing(60), remembered: costing(70), scopes60: costing(170)}, []string{remembered, scopes60}},
	} {
		t.Run(name, func(t *testing.T) {
			r := report{Idle: held{Resident: 40, Anonymous: 10}, Binary: 40}
			r.judge(tc.of)
			var failed []string
			for _, v := range r.Verdicts {
				if !v.OK {
					failed = append(failed, v.ID)
				}
			}
			assert.Equal(t, tc.failed, failed)
			assert.Equal(t, len(tc.failed) == 0, r.passed())
		})
	}
}
