package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Grants as the log names them: the two by POST have their names of RFC 6749.
const (
	grantBasic     = "basic"
	grantAnonymous = "anonymous"
	grantExchanged = "token-exchange"
	grantRevoke    = "revoke"
)

// maxLogged is how many scopes one line of the log names.
const maxLogged = 16

// tokenLog writes a line for each request for a token, as an administrator of the
// registry reads it: who asked for what and got what, or why not. Nothing
// secret is in it, and everything a client sent is cut to a bounded length.
type tokenLog struct {
	logger   *zap.Logger
	refusals *refusalLog
}

func newTokenLog(logger *zap.Logger) *tokenLog {
	logger = logger.Named("token")
	return &tokenLog{logger: logger, refusals: newRefusalLog(logger, "more tokens refused")}
}

// tokenEvent is what came of one request.
type tokenEvent struct {
	request tokenRequest
	attempt auth.Attempt
	subject string
	granted []access.Scope
	keyID   string
	took    time.Duration
}

// issued writes down a token.
func (l *tokenLog) issued(r *http.Request, e *tokenEvent) {
	entry := l.logger.Check(zap.InfoLevel, "token issued")
	if entry == nil {
		return
	}
	const most = 10
	fields := append(make([]zap.Field, 0, most), addressField(clientIP(r)), zap.String("grant", e.request.grant()))
	fields = append(e.appendTo(fields, r),
		zap.String("subject", e.subject),
		zap.String("service", e.request.service.Name),
		scopesField("asked", e.request.scopes),
		scopesField("granted", e.granted),
		zap.String("key_id", e.keyID),
	)
	if denied := notGranted(e.request.scopes, e.granted); len(denied) > 0 {
		fields = append(fields, scopesField("not_granted", denied))
	}
	entry.Write(fields...)
}

// exchanged writes down a session that began with an exchange.
func (l *tokenLog) exchanged(r *http.Request, e *tokenEvent, session auth.Session, scopes []access.Permission) {
	fields := []zap.Field{addressField(clientIP(r)), zap.String("grant", e.request.grant())}
	fields = append(e.appendTo(fields, r),
		zap.String("subject", e.subject), zap.String("service", e.request.service.Name),
		zap.String("token_id", session.Token.ID()), zap.Time("expires_at", session.ExpiresAt.UTC()))
	if len(scopes) > 0 {
		const longest = 1000
		fields = append(fields, zap.String("scope", printable.ClipTo(permissionText(scopes), longest)))
	}
	l.logger.Info("session started", fields...)
}

// revoked writes down a token that its holder ended.
func (l *tokenLog) revoked(r *http.Request, e *tokenEvent) {
	fields := []zap.Field{addressField(clientIP(r)), zap.String("grant", e.request.grant())}
	l.logger.Info("token revoked", append(e.appendTo(fields, r),
		zap.String("subject", e.attempt.Subject.Name), zap.String("token_id", e.attempt.TokenID))...)
}

// refused writes down a request without a token. Of many from one place only
// the first have lines of their own.
func (l *tokenLog) refused(r *http.Request, e *tokenEvent, told *refusal) {
	if !l.logger.Core().Enabled(zap.InfoLevel) || !l.refusals.take(clientIP(r)) {
		return
	}
	reason := e.attempt.Fault
	if reason == "" {
		reason = told.reason
	}
	if reason == "" {
		reason = told.message
	}
	// In this order, nothing that a client sent stands before what
	// examples/fail2ban reads.
	fields := []zap.Field{addressField(clientIP(r)), zap.String("outcome", told.outcome), zap.String("grant", e.request.grant())}
	fields = append(e.appendTo(fields, r),
		zap.Int("status", told.status),
		zap.String("reason", reason),
		zap.String("service", printable.Strip(printable.Clip(e.request.sent))),
		scopesField("asked", e.request.scopes),
	)
	if name := e.attempt.Subject.Name; name != "" {
		fields = append(fields, zap.String("subject", name))
	}
	if e.attempt.TokenID != "" {
		fields = append(fields, zap.String("token_id", e.attempt.TokenID))
	}
	l.logger.Info("token refused", fields...)
}

// appendTo appends what is in every line.
func (e *tokenEvent) appendTo(fields []zap.Field, r *http.Request) []zap.Field {
	fields = append(fields, zap.String("user_agent", auth.OriginOf(r.Context()).Client), zap.Duration("duration", e.took))
	if e.attempt.Issuer == "" {
		return fields
	}
	fields = append(fields, zap.String("issuer", e.attempt.Issuer), zap.String("binding", e.attempt.Binding))
	if len(e.attempt.Job) == 0 {
		return fields
	}
	return append(fields, zap.Strings("job", e.attempt.Job))
}

func addressField(ip netip.Addr) zap.Field {
	if !ip.IsValid() { // as over a Unix socket
		return zap.String("client_ip", "")
	}
	return zap.String("client_ip", ip.String())
}

// loggedScopes are scopes for a line of the log.
type loggedScopes []access.Scope

func scopesField(name string, scopes []access.Scope) zap.Field {
	return zap.Array(name, loggedScopes(scopes))
}

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (s loggedScopes) MarshalLogArray(line zapcore.ArrayEncoder) error {
	const longest = 300 // a repository has 255 characters
	for i, scope := range s {
		if i == maxLogged {
			line.AppendString(fmt.Sprintf("… and %d more", len(s)-maxLogged))
			return nil
		}
		line.AppendString(printable.ClipTo(scope.String(), longest))
	}
	return nil
}

// grant is how the client asked.
func (r tokenRequest) grant() string {
	switch {
	case r.exchange:
		return grantExchanged
	case r.revoke:
		return grantRevoke
	case !r.credentials.given:
		return grantAnonymous
	case r.credentials.refreshToken != "":
		return grantRefresh
	case r.oauth:
		return grantPassword
	default:
		return grantBasic
	}
}

// notGranted is what of the asked scopes a token lacks. What is granted stands
// in the order in which it was asked for.
func notGranted(asked, granted []access.Scope) []access.Scope {
	var denied []access.Scope
	for _, scope := range asked {
		if len(granted) > 0 && granted[0].Type == scope.Type && granted[0].Name == scope.Name {
			scope.Actions &^= granted[0].Actions
			granted = granted[1:]
		}
		if scope.Actions != 0 {
			denied = append(denied, scope)
		}
	}
	return denied
}
