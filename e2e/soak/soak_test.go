package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSoak works for seconds, so that what works for half an hour is sure to work. What it finds is not judged: caches
// still fill.
func TestSoak(t *testing.T) {
	var out bytes.Buffer
	o := options{
		length: 5 * time.Second, warmUp: 2 * time.Second, quiet: 3 * time.Second, database: sqlite, nodes: 1, output: "json",
		dump: t.TempDir(), every: 500 * time.Millisecond,
	}
	if err := run(t.Context(), o, &out); err != nil && !errors.Is(err, errGrown) {
		require.ErrorIs(t, err, errFailed)
	}
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s", out.Bytes())
	require.Len(t, r.Held, 2)
	for _, u := range []usage{r.Held[0].Before, r.Held[0].Early, r.Held[0].Late, r.Held[0].Most, r.Held[0].After} {
		assert.Positive(t, u.Goroutines)
		assert.Positive(t, u.Descriptors)
		assert.Positive(t, u.Heap)
		assert.Positive(t, u.Resident)
	}
	for _, name := range []string{"token by password", "token by access token", "token by refresh token", "reload", "keys: rotate", "connection: cut"} {
		c := r.Work[name]
		require.NotNil(t, c, name)
		assert.Empty(t, c.Failure, name)
		assert.Positive(t, c.Done, name)
	}
	out.Reset()
	require.NoError(t, r.write(&out, "table"))
	assert.Contains(t, out.String(), "goroutines")
}

func TestGrew(t *testing.T) {
	before := usage{Goroutines: 19, Descriptors: 24, Resident: 30, Heap: 5}
	for name, tc := range map[string]struct {
		after usage
		want  bool
	}{
		"the same":    {before, false},
		"goroutines":  {usage{Goroutines: 24, Descriptors: 24, Resident: 30, Heap: 5}, true},
		"descriptors": {usage{Goroutines: 19, Descriptors: 29, Resident: 30, Heap: 5}, true},
		"memory":      {usage{Goroutines: 19, Descriptors: 24, Resident: 43, Heap: 5}, true},
		"heap":        {usage{Goroutines: 19, Descriptors: 24, Resident: 30, Heap: 8.5}, true},
		"less":        {usage{Goroutines: 10, Descriptors: 20, Resident: 20, Heap: 4}, false},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, grew(before, tc.after)) })
	}
}
