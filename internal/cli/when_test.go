package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	for s, expected := range map[string]time.Time{
		"":                          {},
		"0":                         {},
		"90m":                       now.Add(-90 * time.Minute),
		"7d":                        now.AddDate(0, 0, -7),
		"2026-05-01":                time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"2026-05-01T10:00:00Z":      time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC),
		"2026-05-01T10:00:00+02:00": time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC),
	} {
		at, err := ParseWhen(s, now)
		require.NoError(t, err, s)
		assert.True(t, at.Equal(expected), "%s: %s", s, at)
	}
	for _, s := range []string{"yesterday", "-1h", "-7d", "7 d", "d", "99999999d", "2026-13-01"} {
		_, err := ParseWhen(s, now)
		assert.ErrorContains(t, err, "is no time", s)
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	for s, expected := range map[string]time.Time{
		"":                          {},
		"never":                     {},
		"90m":                       now.Add(90 * time.Minute),
		"90d":                       now.AddDate(0, 0, 90),
		"2027-01-31":                time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T10:00:00+02:00": time.Date(2027, 1, 31, 8, 0, 0, 0, time.UTC),
	} {
		at, err := ParseExpiry(s, now)
		require.NoError(t, err, s)
		assert.True(t, at.Equal(expected), "%s: %s", s, at)
	}
	for _, s := range []string{"0", "0d", "tomorrow", "-1h", "7 d", "d", "99999999d", "2027-13-01"} {
		_, err := ParseExpiry(s, now)
		assert.ErrorContains(t, err, "is no time to come", s)
	}
}
