package dockit

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/duration"
)

// registerCredentials adds the flags about what subjects prove themselves with.
func (o *apiServerOptions) registerCredentials(flags *pflag.FlagSet) {
	const day = 24 * time.Hour
	flags.BoolVar(&o.refreshTokens, "refresh-tokens", false, "let docker login store a token instead of the password")
	duration.Var(flags, &o.refreshTokenLife, "refresh-token-life", 90*day, "longest life of such a token")
	duration.Var(flags, &o.refreshTokenIdle, "refresh-token-idle", 30*day, "how long such a token lives without being used")
	duration.Var(flags, &o.accessTokenLife, "access-token-life", 0, "longest life of access tokens, at least 1m; default they may live for ever")
	flags.IntVar(&o.robotTokens, "robot-tokens", 2, "how many access tokens a robot may have at once, from 1 to 100")
	flags.StringVar(&o.refusedPasswords, "refused-passwords", "", "`file` of passwords that nobody may choose, one a line")
}

func (o *apiServerOptions) checkCredentials() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
		off   bool
	}{
		{"--refresh-token-life", o.refreshTokenLife, false},
		{"--refresh-token-idle", o.refreshTokenIdle, false},
		{"--access-token-life", o.accessTokenLife, !o.given("access-token-life")},
	} {
		if d.value < time.Minute && !d.off {
			return fmt.Errorf("%s is %s: tokens live for at least 1m", d.flag, duration.Format(d.value))
		}
	}
	if o.robotTokens < 1 || o.robotTokens > 100 {
		return fmt.Errorf("--robot-tokens is %d: from 1 to 100 are allowed", o.robotTokens)
	}
	return nil
}

// credentials are the parts of the configuration that these flags make.
func (o *apiServerOptions) credentials() (*RefreshTokens, *AccessTokens, *Passwords) {
	return &RefreshTokens{
			Enabled: o.refreshTokens,
			Life:    caddy.Duration(o.refreshTokenLife),
			Idle:    caddy.Duration(o.refreshTokenIdle),
		},
		&AccessTokens{Life: caddy.Duration(o.accessTokenLife), PerRobot: o.robotTokens},
		&Passwords{Refused: literal(o.refusedPasswords)}
}
