package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestJobs measures for seconds, so that what measures for half an hour is sure to work. What depends on the machine is not judged.
func TestJobs(t *testing.T) {
	var out bytes.Buffer
	o := options{
		push: 10 * time.Second, day: 24 * time.Hour, steps: 12, tokens: 300, rate: 200, rounds: 2, round: 50,
		only: regexp.MustCompile(""), output: "json",
	}
	if err := run(t.Context(), o, &out); err != nil && !errors.Is(err, errWorse) {
		require.NoError(t, err)
	}
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s", out.Bytes())
	figures := map[string]figure{}
	for _, f := range r.Figures {
		figures[f.ID] = f
	}
	for id, least := range map[string]float64{
		"cost_access_us": 1, "cost_job_us": 1, "cost_ratio": 0.1, "unknown_sent": 300, "unknown_slower": 0.01,
		"away_logins": 13, "away_asked": 12, "push_seconds_crane": 9, "push_tokens": 2,
	} {
		assert.GreaterOrEqual(t, figures[id].Value, least, id)
	}
	for _, id := range []string{"unknown_taken", "unknown_asked", "unknown_others", "away_refused", "away_unknown", "push_failed", "push_refused"} {
		require.Contains(t, figures, id)
		assert.False(t, figures[id].worse(), "%+v", figures[id])
	}
	out.Reset()
	require.NoError(t, r.write(&out, "table"))
	assert.Contains(t, out.String(), "of these, the second by the first")
}

func TestWorse(t *testing.T) {
	for name, tc := range map[string]struct {
		figure figure
		want   bool
	}{
		"less":       {promised("id", "title", 1, 2, ""), false},
		"the same":   {promised("id", "title", 2, 2, ""), false},
		"more":       {promised("id", "title", 2.1, 2, ""), true},
		"no promise": {told("id", "title", 100), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, tc.figure.worse())
			assert.Equal(t, tc.want, (&report{[]figure{tc.figure}}).worse())
		})
	}
}
