package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/directory"
	"github.com/dockit-registry/dockit/password"
	"github.com/dockit-registry/dockit/store"
)

// maxCheck is how long it takes at most until a password is checked: waiting for
// its turn, for a place in the queue of the hashing, and being hashed.
const maxCheck = 30 * time.Second

// attempt is a password to be checked.
type attempt struct {
	username, password string
	place              place
	origin             Origin
	// same is equal for attempts that must come to the same end.
	same proof
}

// byPassword proves a user by its password.
func (a *Authenticator) byPassword(ctx context.Context, username, pw string) (Principal, error) {
	origin, found := OriginOf(ctx), attemptOf(ctx)
	found.Method = ByPassword
	if principal, ok := a.recall(ctx, username, pw, origin); ok {
		found.Subject = principal.Ref
		return principal, nil
	}
	// From here on everybody pays for the same queries.
	login, err := a.lookUp(ctx, username)
	if err != nil {
		return Principal{}, err
	}
	found.Subject = login.Ref
	at := attempt{username: username, password: pw, origin: origin, place: place{nameOf(login.Login, username), origin.network()}}
	principal, err := a.inTurn(ctx, login, at)
	if err == ErrInvalidCredentials { //nolint:errorlint // one that was throttled was not looked at
		found.Fault = passwordFault(login.Login)
	}
	if login.away != nil && errors.Is(err, ErrInvalidCredentials) {
		// Whatever came of it: nobody knows.
		return Principal{}, login.away
	}
	return principal, err
}

// inTurn checks a password when nobody guesses, or else together with whoever
// asks the same.
func (a *Authenticator) inTurn(ctx context.Context, login found, at attempt) (Principal, error) {
	free, err := a.guard.free(ctx, a.options, at.place)
	if err != nil {
		return Principal{}, err
	}
	// A guess must not be compared with what is remembered before it had its
	// turn, or guessing would be as fast as that.
	if free && a.remembers(login.Login, at.password) {
		return principalOf(login.Login, ByPassword), nil
	}
	state := fmt.Sprint(login.ID, login.Disabled, login.Admin) // one that began before somebody was disabled is another
	at.same = a.proofs.sum("attempt", login.PasswordHash, state, at.place.name, at.place.network, at.password)
	result := a.flights.DoChan(string(at.same[:]), func() (any, error) {
		// Others may wait for the same answer: who asked first may go away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxCheck)
		defer cancel()
		return a.checkPassword(ctx, at)
	})
	select {
	case <-ctx.Done():
		return Principal{}, ctx.Err()
	case r := <-result:
		if r.Err == ErrInvalidCredentials { //nolint:errorlint // one that was throttled was not counted
			a.fallbacks.refuse(at.same, at.origin.Method)
		}
		if r.Err != nil {
			return Principal{}, r.Err
		}
		return r.Val.(Principal), nil
	}
}

// recall proves a user without a query, if that is possible.
func (a *Authenticator) recall(ctx context.Context, username, pw string, origin Origin) (Principal, bool) {
	login, ok := a.directory.RecallLogin(ctx, username)
	login = usable(login, origin)
	if !ok || !a.guard.quiet(ctx, place{login.Ref.Name, origin.network()}) || !a.remembers(login, pw) {
		return Principal{}, false
	}
	return principalOf(login, ByPassword), true
}

// nameOf is what failures for a username are counted under. A name that nobody
// has may be a password that was typed into the wrong field: it is not kept.
// What is no name at all cannot be guessed for.
func nameOf(login store.Login, username string) string {
	switch {
	case login.ID != 0:
		return login.Ref.Name
	case !couldBeName(username):
		return ""
	}
	sum := sha256.Sum256([]byte(username))
	return unknownName + hex.EncodeToString(sum[:16])
}

// unknownName is what the name of nobody begins with; no subject's does.
const unknownName = store.UnknownName

func (a *Authenticator) remembers(login store.Login, pw string) bool {
	return login.PasswordHash != "" && !login.Disabled && a.proofs.hold(a.proofs.of(login, pw), a.options.Remember)
}

// checkPassword waits until the attempt has its turn and checks the password.
func (a *Authenticator) checkPassword(ctx context.Context, at attempt) (_ Principal, err error) {
	turn, err := a.guard.enter(ctx, a.options, at.place)
	if err != nil {
		return Principal{}, err
	}
	defer func() {
		if errors.Is(err, ErrBusy) {
			// It was not counted. The next one waits for a while.
			time.AfterFunc(firstDelay, turn.leave)
			return
		}
		turn.leave()
	}()
	// Time may have passed since the login was read.
	login, err := a.lookUp(ctx, at.username)
	if err != nil {
		return Principal{}, err
	}
	if nameOf(login.Login, at.username) != at.place.name {
		// The database went away or came back: another place would have its turn.
		return Principal{}, fmt.Errorf("%w: the name was looked up in between", directory.ErrUnavailable)
	}
	if a.remembers(login.Login, at.password) {
		return principalOf(login.Login, ByPassword), nil
	}
	principal, err := a.prove(ctx, login, at)
	switch {
	case errors.Is(err, directory.ErrUnavailable) && strings.HasPrefix(at.place.name, unknownName):
		// Counted as for a name that is known: else it would show who is.
		a.guard.failed(ctx, a.options, at.place)
		return Principal{}, err
	case err != nil:
		return Principal{}, err
	case principal.ID == 0:
		return Principal{}, a.refuse(ctx, at)
	}
	a.uses.network(store.LoginNetwork{SubjectID: principal.ID, Network: at.place.network})
	if turn.failures > 0 {
		a.guard.ledger.forget(at.place)
	}
	if turn.failures > 0 && a.directory.Away() == nil {
		// The answer is right whether or not this succeeds.
		if err := a.store.ForgetFailures(ctx, at.place.name, at.place.network); err != nil {
			a.logger.Warn("failed logins before a right password still count", zap.Stringer("subject", principal.Ref), zap.Error(err))
		}
	}
	return principal, nil
}

// prove checks the password against what is stored, and returns an empty
// Principal when it is not right, or [directory.ErrUnavailable] when what is
// stored cannot be known. It may change during a check.
func (a *Authenticator) prove(ctx context.Context, login found, at attempt) (Principal, error) {
	const checks = 2
	for range checks {
		hash, err := a.verify(ctx, login.Login, at.password)
		if err != nil || hash == "" {
			return Principal{}, errors.Join(err, login.away)
		}
		current, err := a.lookUp(ctx, at.username)
		switch {
		case err != nil:
			return Principal{}, err
		case current.ID == login.ID && current.PasswordHash == hash && !current.Disabled:
			a.proofs.remember(a.proofs.of(current.Login, at.password))
			return principalOf(current.Login, ByPassword), nil
		}
		login = current
	}
	return Principal{}, login.away
}

// verify returns the stored hash of a password that is right, and nothing for
// one that is wrong. A hash of another cost than a new one has is replaced.
func (a *Authenticator) verify(ctx context.Context, login store.Login, pw string) (hash string, err error) {
	decoys, err := a.costs.current(ctx)
	if err != nil {
		return "", err
	}
	hash = login.PasswordHash
	if err := password.ValidHash(hash); hash != "" && err != nil {
		a.logger.Error("stored password cannot be checked: set a new one", zap.Stringer("subject", login.Ref), zap.Error(err))
		hash = ""
	}
	cost := password.CurrentCost()
	if hash != "" {
		if cost, err = password.CostOf(hash); err != nil {
			return "", err
		}
	}
	if decoys[cost] == "" {
		a.costs.outdated()
	}
	var (
		ok       bool
		upgraded string
		failed   error
	)
	err = a.hasher.do(ctx, func() {
		ok = a.matches(hash, pw, login.Disabled, cost, decoys)
		if ok && !cost.Current() {
			upgraded, failed = password.Hash(pw)
		}
	})
	switch {
	case err != nil || !ok:
		return "", err
	case upgraded == "" && failed == nil:
		return hash, nil
	}
	return a.upgrade(ctx, login, upgraded, failed), nil
}

// upgrade replaces the hash of a password that was right, and returns the one
// that is stored.
func (a *Authenticator) upgrade(ctx context.Context, login store.Login, hash string, err error) string {
	replaced := false
	if err == nil && a.directory.Away() == nil {
		replaced, err = a.store.ReplacePasswordHash(ctx, login.ID, login.PasswordHash, hash)
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

// matches reports whether the password is right and may be used. If not, it has
// done as much work as for any other refusal.
func (a *Authenticator) matches(hash, pw string, disabled bool, cost password.Cost, decoys map[password.Cost]string) bool {
	against := hash
	if against == "" {
		against = decoys[cost]
	}
	ok, err := a.compare(against, pw)
	if ok && err == nil && hash != "" && !disabled {
		return true
	}
	for other, decoy := range decoys {
		if other != cost {
			_, _ = a.compare(decoy, pw)
		}
	}
	return false
}

// refuse counts a wrong password and returns [ErrInvalidCredentials].
func (a *Authenticator) refuse(ctx context.Context, at attempt) error {
	if a.fallbacks.repeats(at.same, at.origin.Method) {
		return ErrInvalidCredentials
	}
	a.guard.failed(ctx, a.options, at.place)
	return ErrInvalidCredentials
}
