package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestScale measures small databases, so that what measures large ones is sure to work. What it finds is not judged: two
// databases of nearly the same size show nothing.
func TestScale(t *testing.T) {
	settle = 100 * time.Millisecond
	var out bytes.Buffer
	if err := run(t.Context(), options{users: 2 * smallUsers, rounds: 1, output: "json"}, &out); err != nil {
		require.ErrorIs(t, err, errLimits)
	}
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s", out.Bytes())
	assert.Equal(t, smallUsers, r.SmallUsers)
	assert.Equal(t, 2*smallUsers, r.LargeUsers)
	for _, c := range r.Costs {
		assert.Positive(t, c.Small.Median, c.ID)
		assert.Positive(t, c.Large.Median, c.ID)
	}
	for _, m := range r.Memory {
		assert.Positive(t, m.Small, m.ID)
		assert.Positive(t, m.Large, m.ID)
	}
	var ids []string
	for _, v := range r.Verdicts {
		ids = append(ids, v.ID)
		assert.Positive(t, v.Value, v.ID)
	}
	assert.Equal(t, []string{"token_cost", "idle_memory"}, ids)
	out.Reset()
	require.NoError(t, r.write(&out, "table"))
	assert.Contains(t, out.String(), "token, user for the first time")
}

func TestVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		ratio, megabytes float64
		passed           bool
	}{
		"fine":          {1.4, 119, true},
		"slow":          {1.6, 60, false},
		"large":         {1, 121, false},
		"at the limits": {1.5, 120, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := report{
				Costs:  []cost{{ID: "token_warm", Ratio: tc.ratio}, {ID: "users_all", Ratio: 9}},
				Memory: []footprint{{ID: "memory_started", Large: tc.megabytes}, {ID: "memory_peak", Large: 900}},
			}
			r.judge()
			assert.Equal(t, tc.passed, r.passed())
		})
	}
}
