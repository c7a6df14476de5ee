package passwords

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// ObserveLockouts has f called with each lockout as it begins on this node, for
// every Checker that shares the store. f must not block.
func (c *Checker) ObserveLockouts(f func(Lockout)) { c.lockedOut.Store(&f) }

// noticeLockout logs a lockout, and calls the observer, when the wrong password
// that was counted last began one. Before is how many there were before it.
func (c *Checker) noticeLockout(ctx context.Context, login store.Login, b bucket, before int) {
	if before+1 < c.options.LockoutFailures {
		return
	}
	s, err := c.guard.record(ctx, c.options, b)
	if _, locked := errors.AsType[*ThrottledError](err); !locked {
		return
	}
	// An unknown name may be a password that was typed into the wrong field.
	begun := Lockout{Username: login.Ref.Name, Network: b.network, Failures: s.failures, Last: c.store.Now(), Until: s.lockedUntil}
	c.logger.Warn("locked out after wrong passwords: 'dockit rbac lockouts clear' ends it", zap.String("subject", begun.Username),
		zap.String("client_network", begun.Network), zap.Int("failures", begun.Failures), zap.Time("until", begun.Until.UTC()))
	if observe := c.lockedOut.Load(); observe != nil {
		(*observe)(begun)
	}
}
