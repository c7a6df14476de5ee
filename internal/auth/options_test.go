package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
)

func TestOptions(t *testing.T) {
	want := Options{
		RefreshTokenLife: 90 * 24 * time.Hour, RefreshTokenIdle: 30 * 24 * time.Hour, RobotTokens: 2, ServeStale: time.Hour,
		Passwords: passwords.Options{}.WithDefaults(),
	}
	got := (Options{}).withDefaults()
	assert.Equal(t, want, got)
	require.NoError(t, got.Validate())
	for _, tc := range []struct {
		name    string
		options Options
		says    string
	}{
		{"negative life", Options{RefreshTokenLife: -time.Hour}, "life of refresh tokens"},
		{"short idle life", Options{RefreshTokenIdle: time.Second}, "idle life"},
		{"negative life of access tokens", Options{AccessTokenLife: -1}, "life of access tokens"},
		{"long without a database", Options{ServeStale: MaxServeStale + 1}, "database"},
		{"not without a database", Options{ServeStale: -1}, ""},
		{"negative ceiling", Options{Passwords: passwords.Options{Ceiling: -1}}, "from everywhere"},
		{"negative tokens", Options{RobotTokens: -1}, "access tokens of a robot"},
		{"one token", Options{RobotTokens: 1}, ""},
		{"most tokens", Options{RobotTokens: maxRobotTokens}, ""},
		{"too many tokens", Options{RobotTokens: maxRobotTokens + 1}, "access tokens of a robot"},
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
