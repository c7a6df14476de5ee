package auth

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// sessionSecret is what a client proves a session by.
type sessionSecret struct {
	token opaque.Token
	login store.Login
	// expiresAt is the latest time at which the session ends.
	expiresAt time.Time
	session   *store.SessionLogin
	scopes    []access.Permission
	narrow    *access.Rights
}

// bySession proves a robot by the secret of a session, which was found to be right.
// What the session began with has to hold still.
func (a *Authenticator) bySession(ctx context.Context, service, username string, s sessionSecret) (Principal, error) {
	found := attemptOf(ctx)
	found.Job = s.session.Job
	t, err := a.issuers.known(ctx, a.cache)
	if err != nil {
		return Principal{}, err
	}
	b := t.bindings[s.session.BindingID]
	if b != nil {
		found.Issuer, found.Binding = b.Issuer, b.Name
	}
	if fault := a.sessionFault(s, b, service, username); fault != "" {
		found.Fault = "session: " + fault
		return Principal{}, ErrInvalidCredentials
	}
	a.uses.session(s.token.ID(), OriginOf(ctx))
	principal := principalOf(s.login, BySession)
	principal.Admin, principal.Scopes, principal.Narrow, principal.Bound = false, s.scopes, s.narrow, b.narrow()
	principal.Values = b.Values(s.session.Claims)
	principal.Credential = store.Credential{ID: s.token.ID(), Limits: store.Limits{ExpiresAt: s.endsAt(b)}}
	return principal, nil
}

// endsAt is when the session is over, by what its binding says of that as it is.
func (s sessionSecret) endsAt(b *knownBinding) time.Time {
	if end := s.session.CreatedAt.Add(b.LongestSession()); end.Before(s.expiresAt) {
		return end
	}
	return s.expiresAt
}

// sessionFault says why a session with the right secret is refused, or nothing.
func (a *Authenticator) sessionFault(s sessionSecret, b *knownBinding, service, username string) string {
	switch {
	case service == anyService:
		return "it opens registries only"
	case service != s.session.Service:
		return "it is one of another service"
	case username != "" && username != tokenUsername && username != verifier.AnyRobot && username != s.login.Ref.Name:
		return "it is used under another name than its robot's"
	case s.login.Disabled:
		return "its robot is disabled"
	case b == nil || b.robotID != s.login.ID:
		return "its binding is removed"
	case b.Disabled:
		return "its binding is disabled"
	case b.issuerDisabled:
		return "its issuer is disabled"
	case !b.conditions().Holds(s.session.Claims):
		return "its claims do not meet the conditions of the binding any more"
	case !a.store.Now().Before(s.endsAt(b)):
		return "it is over"
	default:
		return ""
	}
}

// Exchange asks for a session whose secret is a password.
type Exchange struct {
	// Token is what an issuer signed, for Service.
	Token   string
	Service string
	// Robot is the name of who is meant, empty for the one that the token stands for.
	Robot string
	// Scopes narrow what the robot may do.
	Scopes []access.Permission
}

// Session is a session that began.
type Session struct {
	Robot     subject.Ref
	ExpiresAt time.Time
	// Issuer is the name of the one whose token it began with.
	Issuer string
	// Token is its secret.
	Token opaque.Token
}

// notOfAnyIssuer is for a client that sends a token of no trusted issuer, or no token at
// all.
const notOfAnyIssuer = "the subject_token is no token of an issuer that is trusted here: check which one is sent, or ask who runs this Dockit to add the issuer (rbac issuer add)"

// Exchange begins a session with a token that an issuer signed. Errors:
// [ErrTokenRequest] because of the scopes; [IssuerTokenError], or what the store or
// ctx says.
func (a *Authenticator) Exchange(ctx context.Context, e Exchange) (Session, error) {
	if err := (TokenRequest{Scopes: e.Scopes}).validate(); err != nil {
		return Session{}, err
	}
	username := subject.FoldName(e.Robot)
	if username == "" {
		username = verifier.AnyRobot
	}
	principal, err := a.forExchange(ctx, username, e)
	if err != nil {
		return Session{}, passwords.UnlessUnavailable(a.cache, err)
	}
	token, expiresAt, err := a.startSession(ctx, observed(ctx, principal), store.NewSession{Kind: store.AccessSession, Service: e.Service, Scopes: e.Scopes})
	switch {
	case errors.Is(err, store.ErrStale):
		return Session{}, &IssuerTokenError{message: "what the token is judged by changed at this very moment: try again"}
	case err != nil:
		return Session{}, err
	}
	return Session{Robot: principal.Ref, ExpiresAt: expiresAt, Issuer: principal.issued.Issuer, Token: token}, nil
}

func (a *Authenticator) forExchange(ctx context.Context, username string, e Exchange) (Principal, error) {
	signed, err := a.verifier.Recognizes(ctx, verifier.Request{Token: e.Token, Service: e.Service, Username: username})
	switch {
	case err != nil:
		return Principal{}, err
	case !signed || e.Service == anyService:
		attemptOf(ctx).Fault = "no token of an issuer that is trusted"
		return Principal{}, &IssuerTokenError{message: notOfAnyIssuer}
	default:
		return a.byIssuerToken(ctx, e.Service, username, e.Token)
	}
}

// startSession makes a session of a robot that was proved by the token of an issuer
// just now. [store.ErrLate] is returned within two seconds when the store takes no
// changes.
func (a *Authenticator) startSession(ctx context.Context, p Principal, n store.NewSession) (opaque.Token, time.Time, error) {
	if away := a.cache.Unavailable(); away != nil {
		return opaque.Token{}, time.Time{}, away
	}
	kind := opaque.Access
	if n.Kind == store.RefreshSession {
		kind = opaque.Refresh
	}
	token, origin := opaque.New(kind), OriginOf(ctx)
	n.ID, n.Hash, n.Client, n.Address = token.ID(), token.Hash(), origin.Client, origin.address()
	n.IssuerID, n.RobotID, n.Binding, n.Claims, n.Job = p.issued.IssuerID, p.ID, p.issued.Binding.Name, p.issued.Kept, jobOf(p.issued)
	writing, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	expiresAt, err := a.store.CreateSession(writing, n)
	if err != nil {
		return opaque.Token{}, time.Time{}, err
	}
	return token, expiresAt, nil
}

// refreshTokenOfJob makes a refresh token for a job. Without one, it can still do what
// the token of its issuer allows, so that a store that takes no changes is in no client's
// way.
func (a *Authenticator) refreshTokenOfJob(ctx context.Context, p Principal, service string) (string, error) {
	token, _, err := a.startSession(ctx, p, store.NewSession{Kind: store.RefreshSession, Service: service})
	switch {
	case err == nil:
		return token.Reveal(), nil
	case errors.Is(err, store.ErrStale):
		return "", ErrInvalidCredentials
	case ctx.Err() != nil:
		return "", err
	default:
		a.logger.Warn("a job gets no refresh token, and can do nothing once the token of its issuer has ended",
			zap.Stringer("subject", p.Ref), zap.Error(err), zap.String("remedy", store.Hint(err)))
		return "", nil
	}
}

// jobOf says which job or workload a token is of: NAME=VALUE.
func jobOf(l *verifier.Login) []string {
	job := make([]string, len(l.Job))
	for n, claim := range l.Job {
		job[n] = claim.Name + "=" + claim.Value
	}
	return job
}
