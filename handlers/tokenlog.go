package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Grants as the log names them: the two by POST have their names of RFC 6749.
const (
	grantBasic     = "basic"
	grantAnonymous = "anonymous"
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
func (l *tokenLog) issued(r *http.Request, e tokenEvent) {
	entry := l.logger.Check(zap.InfoLevel, "token issued")
	if entry == nil {
		return
	}
	fields := append([]zap.Field{addressField(clientIP(r)), zap.String("grant", e.request.grant())}, e.fields(r)...)
	fields = append(fields,
		zap.String("subject", e.subject),
		zap.String("service", e.request.service.Name),
		zap.Strings("asked", scopeTexts(e.request.scopes)),
		zap.Strings("granted", scopeTexts(e.granted)),
		zap.String("key_id", e.keyID),
	)
	if denied := notGranted(e.request.scopes, e.granted); len(denied) > 0 {
		fields = append(fields, zap.Strings("not_granted", scopeTexts(denied)))
	}
	entry.Write(fields...)
}

// refused writes down a request without a token. Of many from one place only
// the first have lines of their own.
func (l *tokenLog) refused(r *http.Request, e tokenEvent, told *refusal) {
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
	fields := append([]zap.Field{addressField(clientIP(r)), zap.String("outcome", told.outcome), zap.String("grant", e.request.grant())}, e.fields(r)...)
	fields = append(fields,
		zap.Int("status", told.status),
		zap.String("reason", reason),
		zap.String("service", printable.Strip(printable.Clip(e.request.sent))),
		zap.Strings("asked", scopeTexts(e.request.scopes)),
	)
	if name := e.attempt.Subject.Name; name != "" {
		fields = append(fields, zap.String("subject", name))
	}
	if e.attempt.TokenID != "" {
		fields = append(fields, zap.String("token_id", e.attempt.TokenID))
	}
	l.logger.Info("token refused", fields...)
}

// fields are those of every line.
func (e tokenEvent) fields(r *http.Request) []zap.Field {
	return []zap.Field{zap.String("user_agent", auth.OriginOf(r.Context()).Client), zap.Duration("duration", e.took)}
}

func addressField(ip netip.Addr) zap.Field {
	if !ip.IsValid() { // as over a Unix socket
		return zap.String("client_ip", "")
	}
	return zap.Stringer("client_ip", ip)
}

// scopeTexts writes scopes for a line of the log.
func scopeTexts(scopes []access.Scope) []string {
	const longest = 300 // a repository has 255 characters
	texts := make([]string, 0, min(len(scopes), maxLogged+1))
	for i, scope := range scopes {
		if i == maxLogged {
			return append(texts, fmt.Sprintf("… and %d more", len(scopes)-maxLogged))
		}
		texts = append(texts, printable.ClipTo(scope.String(), longest))
	}
	return texts
}

// grant is how the client asked.
func (r tokenRequest) grant() string {
	switch {
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

// notGranted is what of the asked scopes a token lacks.
func notGranted(asked, granted []access.Scope) []access.Scope {
	type resource struct {
		kind access.Type
		name string
	}
	got := make(map[resource]access.Actions, len(granted))
	for _, scope := range granted {
		got[resource{scope.Type, scope.Name}] = scope.Actions
	}
	var denied []access.Scope
	for _, scope := range asked {
		if scope.Actions &^= got[resource{scope.Type, scope.Name}]; scope.Actions != 0 {
			denied = append(denied, scope)
		}
	}
	return denied
}
