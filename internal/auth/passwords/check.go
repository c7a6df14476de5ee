package passwords

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
	Request
	// login is what was found before there was room to check it.
	login  found
	bucket bucket
	from   source
	// key is equal for attempts that must come to the same end.
	key digest
}

// maxLookups is how many requests look up at a time their user, and what was
// wrong before. Sources take turns for it, as for hashing: many queries at once
// are no faster, and those of one source would be in the way of all.
const maxLookups = 32

// errSameAgain is an [ErrInvalidCredentials] for a password that was wrong
// before, in the same bucket.
var errSameAgain = fmt.Errorf("%w", ErrInvalidCredentials)

// Check checks a password. Errors: [ErrInvalidCredentials], of which a
// [ThrottledError] is one, [ErrBusy], [cache.ErrUnavailable], or what the store
// or ctx says; the [Result] then says what to log. Every wrong password takes as
// long as any other.
func (c *Checker) Check(ctx context.Context, r Request) (Result, error) {
	r.Address = r.Address.Unmap().WithZone("")
	if login, ok := c.remembered(ctx, r); ok {
		return Result{Login: login, Subject: login.Ref}, nil
	}
	result, err := c.check(ctx, r)
	if err != nil {
		result.Login = store.Login{}
	}
	return result, UnlessUnavailable(c.cache, err)
}

func (c *Checker) check(ctx context.Context, r Request) (result Result, err error) {
	defer c.hasher.used()
	from := c.networks.source(ctx, r.Address)
	if err := ctx.Err(); err != nil {
		return Result{}, err // the client has gone
	}
	if c.room.full(from) {
		return Result{}, c.room.turnAway(ctx, ErrBusy)
	}
	if err := c.lookups.enter(ctx, from, maxWait); err != nil {
		return Result{}, err
	}
	lookedUp := sync.OnceFunc(c.lookups.leave)
	defer lookedUp()
	// From here on all names cost the same queries.
	login, err := c.lookUp(ctx, r)
	if err != nil {
		return Result{}, err
	}
	result.Subject = login.Ref
	at := attempt{Request: r, login: login, bucket: bucket{countedName(login.Login, r.Username), Network(r.Address)}, from: from}
	result.Login, err = c.checkAttempt(ctx, at, lookedUp)
	switch {
	case err == ErrInvalidCredentials: //nolint:errorlint // one that was throttled was not looked at
		result.Fault = faultOf(login.Login)
	case errors.Is(err, errSameAgain):
		result.Fault, err = faultOf(login.Login)+", the same as before", ErrInvalidCredentials
	}
	if login.unavailable != nil && errors.Is(err, ErrInvalidCredentials) {
		// It was compared with no stored hash: it may be right.
		err = login.unavailable
	}
	return result, err
}

// checkAttempt compares a password with what is remembered, unless the bucket is
// slowed down, or has it checked together with other requests of the same key. It
// calls lookedUp before it waits for that.
func (c *Checker) checkAttempt(ctx context.Context, at attempt, lookedUp func()) (store.Login, error) {
	free, err := c.guard.free(ctx, c.options, at.bucket)
	if err != nil {
		return store.Login{}, err
	}
	// A guess must not be compared with what is remembered before it had its
	// turn, or guessing would be as fast as that.
	if free && c.isRemembered(at.login.Login, at.bucket, at.Password) {
		return at.login.Login, nil
	}
	at.key = c.keyOf(at.login.Login, at)
	lookedUp()
	return c.room.join(ctx, at, c.checkInTurn)
}

// keyOf is equal for attempts that must come to the same end: one that began
// before the user was disabled is another.
func (c *Checker) keyOf(login store.Login, at attempt) digest {
	state := fmt.Sprint(login.ID, login.Disabled, login.Admin)
	return c.wrong.sum("attempt", login.PasswordHash, state, at.bucket.name, at.bucket.network, at.Password)
}

// remembered finds the user of a right password without a query, if that is possible.
func (c *Checker) remembered(ctx context.Context, r Request) (store.Login, bool) {
	login, ok := c.cache.CachedLogin(ctx, r.Username)
	if !ok {
		return store.Login{}, false
	}
	login = usable(login, r.Address, c.store.Now())
	b := bucket{login.Ref.Name, Network(r.Address)}
	if !c.guard.clean(ctx, b) || !c.isRemembered(login, b, r.Password) {
		return store.Login{}, false
	}
	return login, true
}

// countedName is what failures for a username are counted under. An unknown name
// may be a password that was typed into the wrong field: only a hash of it is kept.
// A guess for what cannot be a name is never right: it is not counted.
func countedName(login store.Login, username string) string {
	switch {
	case login.ID != 0:
		return login.Ref.Name
	case !couldBeName(username):
		return ""
	}
	sum := sha256.Sum256([]byte(username))
	return unknownName + hex.EncodeToString(sum[:16])
}

// unknownName is what the counted name of an unknown one begins with; no subject's
// name does.
const unknownName = store.UnknownName

func hasPassword(login store.Login) bool { return login.PasswordHash != "" && !login.Disabled }

// isRemembered reports whether the password is one that was right a moment ago.
func (c *Checker) isRemembered(login store.Login, b bucket, pw string) bool {
	if !hasPassword(login) {
		return false
	}
	password := c.verified.digestOf(login, pw)
	return c.unsettled.compare(b, password, func() bool { return c.verified.holds(password, c.options.Remember) })
}

// checkInTurn waits until the attempt has its turn and checks the password.
func (c *Checker) checkInTurn(ctx context.Context, a *sharedAttempt) (store.Login, error) {
	at := a.at
	turn, err := c.guard.enter(ctx, c.options, at.bucket)
	if err != nil {
		return store.Login{}, err
	}
	defer turn.leave()
	// Time may have passed since the login was read.
	login, err := c.lookUpAgain(ctx, at.Request, at.login)
	if err != nil {
		return store.Login{}, err
	}
	if countedName(login.Login, at.Username) != at.bucket.name {
		// The database went away or came back: this is the turn of another bucket.
		return store.Login{}, fmt.Errorf("%w: the name was looked up in between", cache.ErrUnavailable)
	}
	if c.isRemembered(login.Login, at.bucket, at.Password) {
		return login.Login, nil
	}
	if c.wrong.holds(c.keyOf(login.Login, at), c.options.LockoutWindow) {
		return store.Login{}, c.refuseAgain(ctx, login, at)
	}
	checked := &progress{attempt: a}
	proved, err := c.prove(ctx, login, at, checked)
	switch {
	case errors.Is(err, cache.ErrUnavailable) && strings.HasPrefix(at.bucket.name, unknownName):
		// Counted as for a user whose login is in memory: else it would show which are.
		c.count(ctx, at, checked)
		c.holdBack(ctx, checked)
		return store.Login{}, err
	case err != nil:
		return store.Login{}, err
	}
	c.unsettled.settle(at.bucket, c.verified.digestOf(login.Login, at.Password))
	if proved.ID == 0 {
		c.count(ctx, at, checked)
		c.noticeLockout(ctx, login.Login, at.bucket, turn.failures)
		c.holdBack(ctx, checked)
		return store.Login{}, ErrInvalidCredentials
	}
	c.loggedIn(store.LoginNetwork{SubjectID: proved.ID, Network: at.bucket.network})
	c.networks.learn(at.bucket.network)
	if turn.failures > 0 {
		c.guard.forget(ctx, c.options, at.bucket)
	}
	return proved, nil
}
