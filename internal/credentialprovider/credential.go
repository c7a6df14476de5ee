package credentialprovider

import "time"

// credential is a login that Dockit gave for a token.
type credential struct {
	Username string    `json:"username"`
	Password string    `json:"password"`
	IssuedAt time.Time `json:"issued_at"`
	// ExpiresAt is zero when the server did not say.
	ExpiresAt time.Time `json:"expires_at"`
}

// renewAt is when four fifths of its life are over: another one is asked for then,
// while it still works.
func (c credential) renewAt() time.Time {
	if c.ExpiresAt.IsZero() {
		return c.IssuedAt
	}
	return c.IssuedAt.Add(c.ExpiresAt.Sub(c.IssuedAt) / 5 * 4)
}

// fresh reports whether no other one is to be asked for. One of the future is not:
// the clock went back.
func (c credential) fresh(now time.Time) bool {
	return c.Password != "" && !now.Before(c.IssuedAt) && now.Before(c.renewAt())
}

// usable reports whether a pull that begins now can end with it.
func (c credential) usable(now time.Time) bool {
	const pull = time.Minute
	return c.Password != "" && !now.Before(c.IssuedAt) && now.Add(pull).Before(c.ExpiresAt)
}

// cacheDuration is how long the kubelet may keep it.
func cacheDuration(now, until time.Time) string {
	return max(0, until.Sub(now)).Truncate(time.Second).String()
}
