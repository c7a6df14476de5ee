package passwords

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

// progress is what came of checking a password so far, but for the answer.
type progress struct {
	attempt *sharedAttempt
	// began is when the password was looked at.
	began time.Time
	// costliest is the work of the costliest stored hash, as [hashCosts] has it.
	costliest float64
	// wrong is what the password is wrong for, if it is.
	wrong *store.Login
	// outdated is set when the hash is of another cost than a new one has: it was
	// replaced here, or elsewhere, which is no change of the subject.
	outdated bool
}

// prove checks the password against what is stored, and returns an empty
// login when it is not right, or cache.ErrUnavailable when what is
// stored cannot be known. It may change during a check.
func (c *Checker) prove(ctx context.Context, login found, at attempt, p *progress) (store.Login, error) {
	const checks = 2
	for range checks {
		hash, err := c.verify(ctx, login.Login, at, p)
		if err != nil {
			return store.Login{}, errors.Join(err, login.unavailable)
		}
		if hash == "" {
			p.wrong = &login.Login
			return store.Login{}, login.unavailable
		}
		var current found
		if p.outdated {
			current, err = c.lookUp(ctx, at.Request)
		} else {
			current, err = c.lookUpAgain(ctx, at.Request, login)
		}
		switch {
		case err != nil:
			return store.Login{}, err
		case current.ID == login.ID && current.PasswordHash == hash && !current.Disabled:
			c.verified.remember(c.verified.digestOf(current.Login, at.Password))
			return current.Login, nil
		}
		login = current
	}
	return store.Login{}, login.unavailable
}

// verify returns the stored hash of a password that is right, and nothing for
// one that is wrong. A hash of another cost than a new one has is replaced.
func (c *Checker) verify(ctx context.Context, login store.Login, at attempt, p *progress) (hash string, err error) {
	costliest, err := c.hashCosts.current(ctx)
	if err != nil {
		return "", err
	}
	against, cost := c.hashOf(login)
	if !cost.Current() && cost.Work() > costliest {
		c.hashCosts.outdated()
		costliest = cost.Work()
	}
	p.costliest = max(p.costliest, costliest)
	var (
		ok       bool
		upgraded string
		failed   error
	)
	err = c.hasher.do(ctx, at.from, func() error {
		if !c.room.begin(p.attempt) {
			return context.Canceled
		}
		began := time.Now()
		if p.began.IsZero() {
			p.began = began
		}
		ok = c.matches(against, at.Password) && hasPassword(login)
		if cost.Current() {
			c.checks.add(time.Since(began))
		}
		if ok && !cost.Current() {
			upgraded, failed = password.Hash(at.Password)
		}
		return nil
	})
	switch {
	case err != nil || !ok:
		return "", err
	case upgraded == "" && failed == nil:
		return login.PasswordHash, nil
	}
	p.outdated = true
	return c.upgrade(ctx, login, upgraded, failed), nil
}

// hashOf returns what to compare a password with: for a subject without one
// that can be checked, a hash that no password matches.
func (c *Checker) hashOf(login store.Login) (string, password.Cost) {
	hash := login.PasswordHash
	if hash == "" {
		return password.CurrentCost().Decoy(), password.CurrentCost()
	}
	cost, err := password.CostOf(hash)
	if err == nil {
		err = password.ValidHash(hash)
	}
	if err != nil {
		c.logger.Error("stored password cannot be checked: set a new one", zap.Stringer("subject", login.Ref), zap.Error(err))
		return password.CurrentCost().Decoy(), password.CurrentCost()
	}
	return hash, cost
}

func (c *Checker) matches(hash, pw string) bool {
	ok, err := c.compare(hash, pw)
	return ok && err == nil
}

// upgrade replaces the hash of a password that was right, and returns the one
// that is stored.
func (c *Checker) upgrade(ctx context.Context, login store.Login, hash string, err error) string {
	replaced := false
	if err == nil && c.cache.Unavailable() == nil {
		writing, cancel := context.WithTimeout(ctx, writeTimeout)
		replaced, err = c.store.ReplacePasswordHash(writing, login.ID, login.PasswordHash, hash)
		cancel()
	}
	if err != nil {
		c.logger.Warn("a password hash is still to be replaced", zap.Stringer("subject", login.Ref), zap.Error(err))
	}
	if !replaced {
		return login.PasswordHash
	}
	c.logger.Info("replaced the password hash by one of today's cost", zap.Stringer("subject", login.Ref))
	return hash
}

// count counts a wrong password. The same one is not counted again for a while:
// programs with a password of the past try it for every layer of an image, and
// a guesser learns nothing by it.
func (c *Checker) count(ctx context.Context, at attempt, p *progress) {
	c.guard.count(ctx, c.options, at.bucket)
	if p.wrong != nil {
		c.wrong.remember(c.keyOf(*p.wrong, at))
	}
	if !p.began.IsZero() {
		c.refusals.add(time.Since(p.began))
	}
}

// holdBack waits until it does not show by the time of a refusal which hash was
// checked.
func (c *Checker) holdBack(ctx context.Context, p *progress) {
	if p.began.IsZero() {
		return // the database went away: nothing was checked
	}
	_ = pause(ctx, untilRefusal(refusalTime(p.costliest, c.checks.longest()), time.Since(p.began)))
}

// refuseAgain refuses a password that was wrong before, as late as if it was
// checked, without the work.
func (c *Checker) refuseAgain(ctx context.Context, login found, at attempt) error {
	costliest, err := c.hashCosts.current(ctx)
	if err != nil {
		return err
	}
	if err := c.hasher.inTurn(ctx, at.from, func() error { return nil }); err != nil {
		return err
	}
	wait := refusalTime(costliest, c.checks.longest())
	if wait == 0 {
		wait = c.refusals.any()
	}
	if err := pause(ctx, wait); err != nil {
		return err
	}
	c.unsettled.settle(at.bucket, c.verified.digestOf(login.Login, at.Password))
	if login.unavailable != nil {
		return login.unavailable
	}
	return errSameAgain
}
