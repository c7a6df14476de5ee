package passwords

import (
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
)

var (
	// ErrInvalidCredentials is returned for a wrong password, an unknown name
	// and a disabled subject alike: the client must not learn which it was, so all
	// are named. A [ThrottledError] is one, too.
	ErrInvalidCredentials = errors.New("invalid username or password, or the user is disabled")
	// ErrBusy is returned when too many passwords wait to be checked, from where
	// the request comes or altogether. It may pass a little later.
	ErrBusy = errors.New("too many logins at once")
)

// UnlessUnavailable replaces a refusal by [cache.ErrUnavailable] while the database
// does not answer: memory proves that credentials are right, and never that they
// are wrong. All others are answered alike, so that a client cannot find out which
// users are in memory.
func UnlessUnavailable(d *cache.Cache, err error) error {
	if errors.Is(err, ErrInvalidCredentials) {
		if unavailable := d.Unavailable(); unavailable != nil {
			return unavailable
		}
	}
	return err
}

// ThrottledError is an [ErrInvalidCredentials] for credentials that were not
// looked at, because too many before them were wrong.
type ThrottledError struct {
	// RetryAfter is when it makes sense to try again.
	RetryAfter time.Duration
}

// Error implements error. It may be shown to the client: unknown names are
// throttled like any other.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many wrong passwords for this user: try again in %s", inWords(e.RetryAfter))
}

// Is makes a ThrottledError an [ErrInvalidCredentials].
func (*ThrottledError) Is(target error) bool { return target == ErrInvalidCredentials }

// inWords rounds up to minutes, or to seconds below one.
func inWords(d time.Duration) string {
	count, unit := int64((d+time.Minute-1)/time.Minute), "minute"
	if d <= time.Minute {
		count, unit = max(1, int64((d+time.Second-1)/time.Second)), "second"
	}
	if count == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", count, unit)
}
