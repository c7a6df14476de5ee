// Package duration reads and writes how long something takes, in days as well.
package duration

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/internal/printable"
)

// oneDay is how long a day of a duration is, whatever the clocks do.
const oneDay = 24 * time.Hour

// Var adds a flag that says how long: as [Parse] reads it.
func Var(flags *pflag.FlagSet, target *time.Duration, name string, value time.Duration, usage string) {
	*target = value
	flags.Var((*durationValue)(target), name, usage)
}

type durationValue time.Duration

func (v *durationValue) Type() string   { return "duration" }
func (v *durationValue) String() string { return Format(time.Duration(*v)) }

func (v *durationValue) Set(s string) error {
	d, err := Parse(s)
	if err == nil {
		*v = durationValue(d)
	}
	return err
}

// Parse reads how long, in days (d), hours (h), minutes (m), seconds
// (s) and parts of them: 90d, 12h, 1h30m. 0 needs no unit. What is negative,
// has no unit or is longer than [time.Duration] holds is an error.
func Parse(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%q is negative: write how long, such as 90d, 12h or 5m", printable.Clip(s))
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Errorf("%q has no unit: write %[1]ss for seconds, or 5m, 12h, 90d", printable.Clip(s))
	}
	var total time.Duration
	for rest := s; ; {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		unit := rest[len(number):]
		if end := strings.IndexAny(unit, "0123456789."); end >= 0 {
			unit = unit[:end]
		}
		part, err := parsePart(number, unit)
		if err != nil || part > math.MaxInt64-total {
			return 0, fmt.Errorf("%q is no duration: write how long, such as 90d, 12h or 5m", printable.Clip(s))
		}
		total += part
		if rest = rest[len(number)+len(unit):]; rest == "" {
			return total, nil
		}
	}
}

// parsePart reads a number and its unit.
func parsePart(number, unit string) (time.Duration, error) {
	if unit != "d" {
		return time.ParseDuration(number + unit)
	}
	hours, err := time.ParseDuration(number + "h")
	if err == nil && hours > math.MaxInt64/24 {
		err = strconv.ErrRange
	}
	return 24 * hours, err
}

// Format writes a duration as [Parse] reads it: 90d, 1h30m, 0.
func Format(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	days := ""
	if d >= oneDay {
		days = strconv.FormatInt(int64(d/oneDay), 10) + "d"
		if d %= oneDay; d == 0 {
			return days
		}
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return days + s
}
