package apiserver

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/internal/duration"
)

// registerCredentials adds the flags about what subjects prove themselves with.
func (o *Options) registerCredentials(flags *pflag.FlagSet) {
	const day = 24 * time.Hour
	flags.BoolVar(&o.RefreshTokens, "refresh-tokens", false, "let docker login store a token instead of the password")
	duration.Var(flags, &o.RefreshTokenLife, "refresh-token-life", 90*day, "longest life of such a token")
	duration.Var(flags, &o.RefreshTokenIdle, "refresh-token-idle", 30*day, "how long such a token lives without being used")
	duration.Var(flags, &o.AccessTokenLife, "access-token-life", 0, "longest life of access tokens, at least 1m; default they may live for ever")
	flags.IntVar(&o.RobotTokens, "robot-tokens", 2, "how many access tokens a robot may have at once, from 1 to 100")
	flags.StringVar(&o.RefusedPasswords, "refused-passwords", "", "`file` of passwords that nobody may choose, one a line")
}

func (o *Options) checkCredentials() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
		off   bool
	}{
		{"--refresh-token-life", o.RefreshTokenLife, false},
		{"--refresh-token-idle", o.RefreshTokenIdle, false},
		{"--access-token-life", o.AccessTokenLife, !o.Given("access-token-life")},
	} {
		if d.value < time.Minute && !d.off {
			return fmt.Errorf("%s is %s: tokens live for at least 1m", d.flag, duration.Format(d.value))
		}
	}
	if o.RobotTokens < 1 || o.RobotTokens > 100 {
		return fmt.Errorf("--robot-tokens is %d: from 1 to 100 are allowed", o.RobotTokens)
	}
	return nil
}
