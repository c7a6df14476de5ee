package auth

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// ObserveLockouts has f told of each lockout as it begins on this node, for
// every Authenticator that shares the store. f must not block.
func (a *Authenticator) ObserveLockouts(f func(Lockout)) { a.lockedOut.Store(&f) }

// noticeLockout tells the log and the observer when the wrong password that was
// counted last began a lockout. Before is how many there were before it.
func (a *Authenticator) noticeLockout(ctx context.Context, login store.Login, p bucket, before int) {
	if before+1 < a.options.LockoutFailures {
		return
	}
	s, err := a.guard.standing(ctx, a.options, p)
	if _, locked := errors.AsType[*ThrottledError](err); !locked {
		return
	}
	// A name that nobody has may be a password that was typed into the wrong field.
	begun := Lockout{Username: login.Ref.Name, Network: p.network, Failures: s.failures, Last: a.store.Now(), Until: s.lockedUntil}
	a.logger.Warn("locked out after wrong passwords: 'dockit rbac lockouts clear' ends it", zap.String("subject", begun.Username),
		zap.String("client_network", begun.Network), zap.Int("failures", begun.Failures), zap.Time("until", begun.Until.UTC()))
	if observe := a.lockedOut.Load(); observe != nil {
		(*observe)(begun)
	}
}
