package auth

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

// check is what came of checking a password, but for the answer.
type check struct {
	visit *visit
	// began is when the password was looked at.
	began time.Time
	// dearest is the work of the dearest stored hash, as [decoys] has it.
	dearest float64
	// wrong is what the password is wrong for, if it is.
	wrong *store.Login
	// outdated is set when the hash is of another cost than a new one has: it was
	// replaced here, or elsewhere, which is no change of the subject.
	outdated bool
}

// prove checks the password against what is stored, and returns an empty
// Principal when it is not right, or cache.ErrUnavailable when what is
// stored cannot be known. It may change during a check.
func (a *Authenticator) prove(ctx context.Context, login found, at attempt, c *check) (Principal, error) {
	const checks = 2
	for range checks {
		hash, err := a.verify(ctx, login.Login, at, c)
		if err != nil {
			return Principal{}, errors.Join(err, login.away)
		}
		if hash == "" {
			c.wrong = &login.Login
			return Principal{}, login.away
		}
		var current found
		if c.outdated {
			current, err = a.lookUp(ctx, at.username)
		} else {
			current, err = a.lookUpAgain(ctx, at.username, login)
		}
		switch {
		case err != nil:
			return Principal{}, err
		case current.ID == login.ID && current.PasswordHash == hash && !current.Disabled:
			a.verified.remember(a.verified.of(current.Login, at.password))
			return principalOf(current.Login, ByPassword), nil
		}
		login = current
	}
	return Principal{}, login.away
}

// verify returns the stored hash of a password that is right, and nothing for
// one that is wrong. A hash of another cost than a new one has is replaced.
func (a *Authenticator) verify(ctx context.Context, login store.Login, at attempt, c *check) (hash string, err error) {
	dearest, err := a.decoys.current(ctx)
	if err != nil {
		return "", err
	}
	against, cost := a.hashOf(login)
	if !cost.Current() && cost.Work() > dearest {
		a.decoys.outdated()
		dearest = cost.Work()
	}
	c.dearest = max(c.dearest, dearest)
	var (
		ok       bool
		upgraded string
		failed   error
	)
	err = a.hasher.do(ctx, at.from, func() error {
		if !a.room.begin(c.visit) {
			return context.Canceled
		}
		began := time.Now()
		if c.began.IsZero() {
			c.began = began
		}
		ok = a.matches(against, at.password) && hasPassword(login)
		if cost.Current() {
			a.checks.add(time.Since(began))
		}
		if ok && !cost.Current() {
			upgraded, failed = password.Hash(at.password)
		}
		return nil
	})
	switch {
	case err != nil || !ok:
		return "", err
	case upgraded == "" && failed == nil:
		return login.PasswordHash, nil
	}
	c.outdated = true
	return a.upgrade(ctx, login, upgraded, failed), nil
}

// hashOf returns what to compare a password with: for a subject without one
// that can be checked, a hash that no password matches.
func (a *Authenticator) hashOf(login store.Login) (string, password.Cost) {
	hash := login.PasswordHash
	if hash == "" {
		return password.CurrentCost().Decoy(), password.CurrentCost()
	}
	cost, err := password.CostOf(hash)
	if err == nil {
		err = password.ValidHash(hash)
	}
	if err != nil {
		a.logger.Error("stored password cannot be checked: set a new one", zap.Stringer("subject", login.Ref), zap.Error(err))
		return password.CurrentCost().Decoy(), password.CurrentCost()
	}
	return hash, cost
}

func (a *Authenticator) matches(hash, pw string) bool {
	ok, err := a.compare(hash, pw)
	return ok && err == nil
}

// upgrade replaces the hash of a password that was right, and returns the one
// that is stored.
func (a *Authenticator) upgrade(ctx context.Context, login store.Login, hash string, err error) string {
	replaced := false
	if err == nil && a.cache.Unavailable() == nil {
		writing, cancel := context.WithTimeout(ctx, writeTimeout)
		replaced, err = a.store.ReplacePasswordHash(writing, login.ID, login.PasswordHash, hash)
		cancel()
	}
	if err != nil {
		a.logger.Warn("a password hash is still to be replaced", zap.Stringer("subject", login.Ref), zap.Error(err))
	}
	if !replaced {
		return login.PasswordHash
	}
	a.logger.Info("replaced the password hash by one of today's cost", zap.Stringer("subject", login.Ref))
	return hash
}

// count counts a wrong password. The same one is not counted again for a while:
// programs with a password of the past try it for every layer of an image, and
// who guesses learns nothing by it.
func (a *Authenticator) count(ctx context.Context, at attempt, c *check) {
	a.guard.failed(ctx, a.options, at.bucket)
	if c.wrong != nil {
		a.wrong.remember(a.sameAs(*c.wrong, at))
	}
	if !c.began.IsZero() {
		a.refusals.add(time.Since(c.began))
	}
}

// holdBack waits until it does not show by the time of a refusal which hash was
// checked.
func (a *Authenticator) holdBack(ctx context.Context, c *check) {
	if c.began.IsZero() {
		return // the database went away: nothing was checked
	}
	_ = pause(ctx, levelled(level(c.dearest, a.checks.longest()), time.Since(c.began)))
}

// refuseAgain refuses a password that was wrong before, as late as if it was
// checked, without the work.
func (a *Authenticator) refuseAgain(ctx context.Context, login found, at attempt) error {
	dearest, err := a.decoys.current(ctx)
	if err != nil {
		return err
	}
	if err := a.hasher.do(ctx, at.from, func() error { return nil }); err != nil {
		return err
	}
	wait := level(dearest, a.checks.longest())
	if wait == 0 {
		wait = a.refusals.any()
	}
	if err := pause(ctx, wait); err != nil {
		return err
	}
	a.unsettled.settle(at.bucket, a.verified.of(login.Login, at.password))
	if login.away != nil {
		return login.away
	}
	return errSameAgain
}
