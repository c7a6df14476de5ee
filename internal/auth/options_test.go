package auth

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	want := Options{
		RefreshTokenLife: 90 * 24 * time.Hour, RefreshTokenIdle: 30 * 24 * time.Hour, RobotTokens: 2, Remember: time.Minute, ServeStale: time.Hour,
		LockoutFailures: 10, LockoutWindow: 15 * time.Minute, LockoutDuration: 15 * time.Minute, Ceiling: 100,
	}
	if got := (Options{}).withDefaults(); got != want || got.Validate() != nil {
		t.Errorf("defaults %+v, %v", got, got.Validate())
	}
	for _, tc := range []struct {
		name    string
		options Options
		says    string
	}{
		{"negative life", Options{RefreshTokenLife: -time.Hour}, "life of refresh tokens"},
		{"short idle life", Options{RefreshTokenIdle: time.Second}, "idle life"},
		{"negative life of access tokens", Options{AccessTokenLife: -1}, "life of access tokens"},
		{"long memory", Options{Remember: time.Hour}, "at most 10m"},
		{"no memory", Options{Remember: -1}, ""},
		{"long without a database", Options{ServeStale: MaxServeStale + 1}, "database"},
		{"not without a database", Options{ServeStale: -1}, ""},
		{"wide window", Options{LockoutWindow: 2 * time.Hour}, "window"},
		{"long lockout", Options{LockoutDuration: 48 * time.Hour}, "length of the lockout"},
		{"many failures", Options{LockoutFailures: 101}, "wrong passwords before a lockout"},
		{"negative ceiling", Options{Ceiling: -1}, "from everywhere"},
		{"negative tokens", Options{RobotTokens: -1}, "access tokens of a robot"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.options.Validate()
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%v, want an error about %q", err, tc.says)
			}
		})
	}
}

func TestThrottledErrorInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1 second", time.Millisecond: "1 second", 1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds",
		61 * time.Second: "2 minutes", 15 * time.Minute: "15 minutes", 14*time.Minute + time.Second: "15 minutes",
	} {
		if got := (&ThrottledError{RetryAfter: d}).Error(); !strings.HasSuffix(got, "try again in "+want) {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
