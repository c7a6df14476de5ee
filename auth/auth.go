// Package auth proves who asks.
package auth

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var (
	// ErrInvalidCredentials is returned for a wrong password, an unknown name
	// and a disabled subject alike: who asks must not learn which it was.
	ErrInvalidCredentials = errors.New("invalid username or password")
	// ErrBusy is returned when too many passwords wait to be checked. The same
	// request may pass a little later.
	ErrBusy = errors.New("too many logins at once")
)

// Principal is a subject that has proved who it is.
type Principal struct {
	ID    int64
	Ref   subject.Ref
	Admin bool
	// Revision is the revision of the rights when the subject was read.
	Revision int64
}

// Authenticator checks credentials against a store.
type Authenticator struct {
	store  *store.Store
	hasher *hasher
	dummy  string
	logger *zap.Logger
}

// New makes an Authenticator.
func New(s *store.Store, logger *zap.Logger) (*Authenticator, error) {
	dummy, err := password.Dummy()
	if err != nil {
		return nil, fmt.Errorf("prepare authentication: %w", err)
	}
	return &Authenticator{store: s, hasher: newHasher(), dummy: dummy, logger: logger}, nil
}

// Authenticate checks a name and a password as they come by HTTP Basic. Errors:
// [ErrInvalidCredentials], [ErrBusy], or what the store or ctx says. Every
// refusal takes as long as a wrong password does.
func (a *Authenticator) Authenticate(ctx context.Context, username, pw string) (Principal, error) {
	login, err := a.lookUp(ctx, username)
	if err != nil {
		return Principal{}, err
	}
	hash := login.PasswordHash
	if hash == "" {
		hash = a.dummy
	}
	ok, err := a.hasher.verify(ctx, hash, pw)
	if err != nil {
		if !errors.Is(err, password.ErrHash) {
			return Principal{}, err
		}
		a.logger.Error("stored password cannot be checked: set a new one", zap.Stringer("subject", login.Ref), zap.Error(err))
		ok = false
	}
	if !ok || login.PasswordHash == "" || login.Disabled {
		return Principal{}, ErrInvalidCredentials
	}
	return observed(ctx, Principal{ID: login.ID, Ref: login.Ref, Admin: login.Admin, Revision: login.Revision}), nil
}

// lookUp returns an empty login, which nothing can prove, for an unknown name.
func (a *Authenticator) lookUp(ctx context.Context, username string) (store.Login, error) {
	if subject.ValidateName(username) != nil {
		return store.Login{}, nil //nolint:nilerr // no such name can log in
	}
	login, err := a.store.Login(ctx, username)
	if errors.Is(err, store.ErrNotFound) {
		return store.Login{}, nil
	}
	return login, err
}
