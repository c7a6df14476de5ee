package cli

import (
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/printable"
)

// ParseWhen reads a point in time: a date, a time in RFC 3339, or how long
// before now. Empty and 0 are no time.
func ParseWhen(s string, now time.Time) (time.Time, error) {
	if s == "" || s == "0" {
		return time.Time{}, nil
	}
	if at, ok := parseDate(s, now.Location()); ok {
		return at, nil
	}
	ago, err := duration.Parse(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: write 2026-01-31, 2026-01-31T12:00:00Z, or how long ago, such as 90m or 7d", printable.Clip(s))
	}
	return now.Add(-ago), nil
}

// ParseExpiry reads a point in time: a date, a time in RFC 3339, or how long
// from now. Empty and never are no time.
func ParseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" || s == "never" {
		return time.Time{}, nil
	}
	if at, ok := parseDate(s, now.Location()); ok {
		return at, nil
	}
	in, err := duration.Parse(s)
	if err != nil || in == 0 {
		return time.Time{}, fmt.Errorf("%q is no time to come: write 90d, 12h, 2027-01-31, 2027-01-31T12:00:00Z or never", printable.Clip(s))
	}
	return now.Add(in), nil
}

func parseDate(s string, in *time.Location) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, true
	}
	at, err := time.ParseInLocation(time.DateOnly, s, in)
	return at, err == nil
}
