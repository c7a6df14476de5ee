package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/store"
)

// IssuerTokenError is an [ErrInvalidCredentials] for a token that a trusted issuer
// signed, or that says so. Its text is for the client: the holder of such a token may
// know what is wrong with it.
type IssuerTokenError struct {
	message string
	// Throttled is set when the token was not looked at, because too many from the
	// same network were forged.
	Throttled bool
	// UnknownRobot is set when no token of the issuer stands for the robot that was
	// named.
	UnknownRobot bool
}

// Error says what is wrong with the token, and what to do.
func (e *IssuerTokenError) Error() string { return e.message }

// Is makes it an [ErrInvalidCredentials].
func (*IssuerTokenError) Is(target error) bool { return target == ErrInvalidCredentials }

// byIssuerToken proves a robot by a token that an issuer signed. There is nothing
// to guess: nothing is hashed, and nothing counts for any name.
func (a *Authenticator) byIssuerToken(ctx context.Context, service, username, token string) (Principal, error) {
	found, origin := attemptOf(ctx), OriginOf(ctx)
	if service == anyService {
		found.Fault = "a token of an issuer opens registries only"
		return Principal{}, ErrInvalidCredentials
	}
	r := verifier.Request{Token: token, Service: service, Username: username, Address: origin.address(), Client: origin.Client}
	if err := a.refuseForger(ctx, r, origin.Network(), found); err != nil {
		return Principal{}, err
	}
	login, err := a.verifier.Verify(ctx, r)
	if refused, ok := errors.AsType[*verifier.Refused](err); ok {
		return Principal{}, a.issuerTokenRefused(refused, username, origin.Network(), found)
	}
	if err != nil {
		return Principal{}, err
	}
	found.Subject, found.Issuer, found.Binding, found.Job = login.Binding.Robot, login.Issuer, login.Binding.Name, jobOf(login)
	// There is no name to guess here, and so nothing that the time of an answer may not tell.
	robot, held := a.cache.CachedLogin(ctx, login.Binding.Robot.Name)
	if !held {
		robot, err = a.cache.Login(ctx, login.Binding.Robot.Name)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (robot.Disabled || robot.Ref != login.Binding.Robot):
		return Principal{}, a.robotRefused(login, r, found)
	case err != nil:
		return Principal{}, err
	}
	principal := principalOf(robot, ByIssuerToken)
	principal.Admin, principal.Scopes, principal.Narrow = false, login.Binding.Scopes, login.Narrow
	principal.issued, principal.Values = login, login.Values
	principal.Credential = store.Credential{Limits: store.Limits{ExpiresAt: login.Until}}
	return principal, nil
}

// robotRefused refuses a token that is right for a robot that may not log in.
func (a *Authenticator) robotRefused(login *verifier.Login, r verifier.Request, found *Attempt) error {
	r.Token = ""
	found.Fault = login.Binding.Robot.String() + " is disabled"
	refused := &verifier.Refused{
		Reason: verifier.RobotDisabled, IssuerID: login.IssuerID, Issuer: login.Issuer, Binding: login.Binding.Name, Detail: found.Fault, Signed: true,
		Sentence: "the token is right, but the robot that it stands for cannot log in at the moment: ask who runs this Dockit",
	}
	a.issuers.refused(verifier.Refusal{At: a.store.Now(), Request: r, Refused: refused})
	return &IssuerTokenError{message: refused.Sentence}
}

// refuseForger refuses a token from a network that sent too many forged ones. One
// that was found good before costs nothing, and is taken all the same.
func (a *Authenticator) refuseForger(ctx context.Context, r verifier.Request, network string, found *Attempt) error {
	wait := a.issuers.forgeries.locked(network, a.store.Now())
	if wait == 0 || a.verifier.Remembers(ctx, r) {
		return nil
	}
	found.Fault = "too many forged tokens from this network"
	return &IssuerTokenError{
		message:   fmt.Sprintf("too many tokens from this network were not signed by whom they say: try again in %s", wait.Round(time.Second)),
		Throttled: true,
	}
}

// issuerTokenRefused notes why a token was refused, and makes the error for the
// client.
func (a *Authenticator) issuerTokenRefused(refused *verifier.Refused, username, network string, found *Attempt) error {
	found.Issuer, found.Binding, found.Fault = refused.Issuer, refused.Binding, "token of the issuer "+refused.Issuer+": "+refused.Detail
	if refused.Binding != "" {
		found.Fault += " (binding " + refused.Binding + ")"
	}
	if !refused.Signed && refused.Reason != verifier.UnknownKey && refused.Reason != verifier.IssuerDisabled {
		o := a.options.Passwords
		a.issuers.forgeries.add(network, a.store.Now(), o.LockoutFailures, o.LockoutWindow, o.LockoutDuration)
	}
	return &IssuerTokenError{message: refused.Sentence, UnknownRobot: refused.Reason == verifier.NoBinding && refused.Binding == "" && username != verifier.AnyRobot}
}
