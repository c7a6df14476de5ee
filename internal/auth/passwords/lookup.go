package passwords

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// found is a login, which is empty for a name that is unknown or cannot be
// looked up: no password is right for that.
type found struct {
	store.Login
	// asOf is when it was read.
	asOf cache.Version
	// unavailable is why the name could not be looked up. No password for it is
	// known to be wrong.
	unavailable error
}

func (c *Checker) lookUp(ctx context.Context, r Request) (found, error) {
	asOf := c.cache.Version()
	if !couldBeName(r.Username) {
		return found{asOf: asOf}, nil
	}
	login, err := c.cache.Login(ctx, r.Username)
	switch {
	case err == nil:
		return found{Login: usable(login, r.Address, c.store.Now()), asOf: asOf}, nil
	case errors.Is(err, store.ErrNotFound):
		return found{asOf: asOf}, nil
	case errors.Is(err, cache.ErrUnavailable):
		return found{unavailable: err}, nil
	default:
		return found{}, err
	}
}

// lookUpAgain is lookUp for a name that was looked up before. It reads again only
// when anything has changed since, of any subject: so the time shows nothing about
// this one.
func (c *Checker) lookUpAgain(ctx context.Context, r Request, before found) (found, error) {
	if before.unavailable != nil || !c.cache.Unchanged(ctx, before.asOf) {
		return c.lookUp(ctx, r)
	}
	before.Login = usable(before.Login, r.Address, c.store.Now())
	return before, nil
}

func couldBeName(username string) bool { return subject.ValidateName(username) == nil }

// usable is a login without its password where and when that is not good: it is
// refused as if there were none.
func usable(login store.Login, address netip.Addr, now time.Time) store.Login {
	if !login.PasswordLimits.Allow(address, now) {
		login.PasswordHash = ""
	}
	return login
}
