package passwords

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOptions(t *testing.T) {
	want := Options{Remember: time.Minute, LockoutFailures: 10, LockoutWindow: 15 * time.Minute, LockoutDuration: 15 * time.Minute, Ceiling: 100}
	got := (Options{}).WithDefaults()
	assert.Equal(t, want, got)
	require.NoError(t, got.Validate())
	for _, tc := range []struct {
		name    string
		options Options
		says    string
	}{
		{"long memory", Options{Remember: time.Hour}, "at most 10m"},
		{"no memory", Options{Remember: -1}, ""},
		{"wide window", Options{LockoutWindow: 2 * time.Hour}, "window"},
		{"long lockout", Options{LockoutDuration: 48 * time.Hour}, "length of the lockout"},
		{"many failures", Options{LockoutFailures: 101}, "wrong passwords before a lockout"},
		{"negative ceiling", Options{Ceiling: -1}, "from everywhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.options.Validate()
			if tc.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.says)
			}
		})
	}
}
