package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
)

// attempt is a password to be checked.
type attempt struct {
	username, password string
	// login is what was found before there was room to check it.
	login  found
	bucket bucket
	from   source
	// same is equal for attempts that must come to the same end.
	same proof
}

// maxLookups is how many requests look up at a time who is meant, and what was
// wrong before. Who waits for that takes turns, as for being hashed: many queries
// at once are no faster, and those of one source would be in the way of all.
const maxLookups = 32

// errSameAgain is an [ErrInvalidCredentials] for a password that was wrong
// before, at the same place.
var errSameAgain = fmt.Errorf("%w", ErrInvalidCredentials)

// byPassword proves a user by its password.
func (a *Authenticator) byPassword(ctx context.Context, username, pw string) (Principal, error) {
	origin, found := OriginOf(ctx), attemptOf(ctx)
	if principal, ok := a.recall(ctx, username, pw, origin); ok {
		found.Subject = principal.Ref
		return principal, nil
	}
	defer a.hasher.used()
	from := a.networks.source(ctx, origin)
	if err := ctx.Err(); err != nil {
		return Principal{}, err // whoever asked has gone
	}
	if a.room.full(from) {
		return Principal{}, a.room.turnAway(ctx, ErrBusy)
	}
	if err := a.lookups.enter(ctx, from, maxWait); err != nil {
		return Principal{}, err
	}
	lookedUp := sync.OnceFunc(a.lookups.leave)
	defer lookedUp()
	// From here on everybody pays for the same queries.
	login, err := a.lookUp(ctx, username)
	if err != nil {
		return Principal{}, err
	}
	found.Subject = login.Ref
	at := attempt{username: username, password: pw, login: login, bucket: bucket{nameOf(login.Login, username), origin.network()}, from: from}
	principal, err := a.inTurn(ctx, at, lookedUp)
	switch {
	case err == ErrInvalidCredentials: //nolint:errorlint // one that was throttled was not looked at
		found.Fault = passwordFault(login.Login)
	case errors.Is(err, errSameAgain):
		found.Fault, err = passwordFault(login.Login)+", the same as before", ErrInvalidCredentials
	}
	if login.away != nil && errors.Is(err, ErrInvalidCredentials) {
		// Whatever came of it: nobody knows.
		return Principal{}, login.away
	}
	return principal, err
}

// inTurn checks a password when nobody guesses, or else together with whoever
// asks the same. It calls lookedUp before it waits for that.
func (a *Authenticator) inTurn(ctx context.Context, at attempt, lookedUp func()) (Principal, error) {
	free, err := a.guard.free(ctx, a.options, at.bucket)
	if err != nil {
		return Principal{}, err
	}
	// A guess must not be compared with what is remembered before it had its
	// turn, or guessing would be as fast as that.
	if free && a.compares(at.login.Login, at.bucket, at.password) {
		return principalOf(at.login.Login, ByPassword), nil
	}
	at.same = a.sameAs(at.login.Login, at)
	lookedUp()
	return a.room.attend(ctx, at, a.checkPassword)
}

// sameAs is equal for attempts that must come to the same end: one that began
// before somebody was disabled is another.
func (a *Authenticator) sameAs(login store.Login, at attempt) proof {
	state := fmt.Sprint(login.ID, login.Disabled, login.Admin)
	return a.wrong.sum("attempt", login.PasswordHash, state, at.bucket.name, at.bucket.network, at.password)
}

// recall proves a user without a query, if that is possible.
func (a *Authenticator) recall(ctx context.Context, username, pw string, origin Origin) (Principal, bool) {
	login, ok := a.cache.RecallLogin(ctx, username)
	if !ok {
		return Principal{}, false
	}
	login = usable(login, origin, a.store.Now())
	p := bucket{login.Ref.Name, origin.network()}
	if !a.guard.clean(ctx, p) || !a.compares(login, p, pw) {
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

func hasPassword(login store.Login) bool { return login.PasswordHash != "" && !login.Disabled }

// compares reports whether the password is one that was right a moment ago.
func (a *Authenticator) compares(login store.Login, p bucket, pw string) bool {
	if !hasPassword(login) {
		return false
	}
	one := a.verified.of(login, pw)
	return a.unsettled.compare(p, one, func() bool { return a.verified.hold(one, a.options.Remember) })
}

// checkPassword waits until the attempt has its turn and checks the password.
func (a *Authenticator) checkPassword(ctx context.Context, v *visit) (Principal, error) {
	at := v.at
	turn, err := a.guard.enter(ctx, a.options, at.bucket)
	if err != nil {
		return Principal{}, err
	}
	defer turn.leave()
	// Time may have passed since the login was read.
	login, err := a.lookUpAgain(ctx, at.username, at.login)
	if err != nil {
		return Principal{}, err
	}
	if nameOf(login.Login, at.username) != at.bucket.name {
		// The database went away or came back: another place would have its turn.
		return Principal{}, fmt.Errorf("%w: the name was looked up in between", cache.ErrUnavailable)
	}
	if a.compares(login.Login, at.bucket, at.password) {
		return principalOf(login.Login, ByPassword), nil
	}
	if a.wrong.hold(a.sameAs(login.Login, at), a.options.LockoutWindow) {
		return Principal{}, a.refuseAgain(ctx, login, at)
	}
	checked := &check{visit: v}
	principal, err := a.prove(ctx, login, at, checked)
	switch {
	case errors.Is(err, cache.ErrUnavailable) && strings.HasPrefix(at.bucket.name, unknownName):
		// Counted as for a name that is known: else it would show who is.
		a.count(ctx, at, checked)
		a.holdBack(ctx, checked)
		return Principal{}, err
	case err != nil:
		return Principal{}, err
	}
	a.unsettled.settle(at.bucket, a.verified.of(login.Login, at.password))
	if principal.ID == 0 {
		a.count(ctx, at, checked)
		a.noticeLockout(ctx, login.Login, at.bucket, turn.failures)
		a.holdBack(ctx, checked)
		return Principal{}, ErrInvalidCredentials
	}
	a.uses.network(store.LoginNetwork{SubjectID: principal.ID, Network: at.bucket.network})
	a.networks.learn(at.bucket.network)
	if turn.failures > 0 {
		a.guard.forget(ctx, a.options, at.bucket)
	}
	return principal, nil
}
