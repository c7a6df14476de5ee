package duration

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDurationFlagsTakeDays guards that ages are written alike everywhere.
func TestDurationFlagsTakeDays(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90d": 90 * oneDay, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "1.5d": 36 * time.Hour,
		"500ms": 500 * time.Millisecond, "12h1d": 36 * time.Hour, "100000d": 100000 * oneDay,
	} {
		var d time.Duration
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		Var(flags, &d, "life", time.Hour, "")
		require.NoError(t, flags.Parse([]string{"--life", in}), in)
		assert.Equal(t, want, d, in)
	}
	for in, say := range map[string]string{
		"300": "write 300s", "1.5": "no unit", "": "no duration", "soon": "no duration", "d": "no duration", "-1h": "negative", "-5": "negative",
		"1h-1m": "no duration", "1 d": "no duration", "200000d": "no duration", "106751d24h": "no duration", "5mm": "no duration", "1d5": "no duration",
		"999999999999h": "no duration", "1e5d": "no duration", "1..5h": "no duration",
	} {
		_, err := Parse(in)
		assert.ErrorContains(t, err, say, in)
	}
}

func TestFormatDuration(t *testing.T) {
	for want, in := range map[string]time.Duration{
		"0": 0, "90d": 90 * oneDay, "7d1h": 169 * time.Hour, "12h": 12 * time.Hour, "5m": 5 * time.Minute, "59s": 59 * time.Second,
		"1h0m5s": time.Hour + 5*time.Second, "10h": 10 * time.Hour, "1m30s": 90 * time.Second, "100ms": 100 * time.Millisecond, "1d30m": 24*time.Hour + 30*time.Minute,
		"10m": 10 * time.Minute, "-1m": -time.Minute,
	} {
		assert.Equal(t, want, Format(in))
		if in >= 0 {
			back, err := Parse(want)
			require.NoError(t, err)
			assert.Equal(t, in, back)
		}
	}
}

func TestDurationFlagShowsItsDefault(t *testing.T) {
	var d time.Duration
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	Var(flags, &d, "life", 90*oneDay, "longest life")
	Var(flags, &d, "none", 0, "nothing")
	assert.Equal(t, "      --life duration   longest life (default 90d)\n      --none duration   nothing\n", flags.FlagUsages())
}
