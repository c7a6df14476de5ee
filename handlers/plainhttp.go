package handlers

import (
	"encoding/json"
	"net/http"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/printable"
)

// WithCredentials is what of the endpoints takes passwords or tokens.
func (e Endpoints) WithCredentials() Endpoints { return e & (Token | Admin) }

const plainRefusal = "this server takes credentials over HTTPS alone: write https:// in the address; " +
	"a password or token that was sent over plain http can be read on its way: change it"

// PlainRefusal refuses over plain HTTP what takes credentials. A redirect would
// make clients send them a second time, and no user would notice the first.
type PlainRefusal struct {
	logger   *zap.Logger
	refusals *refusalLog
}

// NewPlainRefusal makes one that writes a line for each refusal; of many from
// one place only the first have lines of their own.
func NewPlainRefusal(logger *zap.Logger) *PlainRefusal {
	return &PlainRefusal{logger: logger, refusals: newRefusalLog(logger, "more requests over plain HTTP refused")}
}

// ServeHTTP implements [http.Handler]: it answers with 403 and what to do, as
// the endpoint at the path writes its errors. Nothing of the credentials is
// looked at but whether there are any.
func (p *PlainRefusal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.log(r)
	if !Admin.Include(r.URL.Path) {
		writeError(w, http.StatusForbidden, errorInvalidRequest, plainRefusal)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", adminapi.ProblemMediaType)
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(&adminapi.Problem{ // the client is gone
		Title: http.StatusText(http.StatusForbidden), Status: http.StatusForbidden, Code: adminapi.CodeHTTPSNeeded, Detail: plainRefusal,
	})
}

func (p *PlainRefusal) log(r *http.Request) {
	if !p.refusals.take(clientIP(r)) {
		return
	}
	// What a client sent stands behind everything else.
	fields := []zap.Field{addressField(clientIP(r))}
	// A client of RFC 6749 has its password in the body.
	sent := r.Header.Get("Authorization") != "" || Token.Include(r.URL.Path) && r.ContentLength != 0
	message := "refused over plain HTTP: whoever sends credentials here has to use https"
	if sent {
		message = "credentials were sent over plain HTTP, where anybody on the way can read them: change the password or token, and make the client use https"
	}
	fields = append(fields, zap.Bool("credentials", sent), zap.String("method", printable.Strip(printable.Clip(r.Method))), zap.String("path", printable.Strip(printable.Clip(r.URL.Path))))
	if name, _, ok := r.BasicAuth(); ok {
		fields = append(fields, zap.String("username", printable.Strip(printable.Clip(name))))
	}
	fields = append(fields, zap.String("host", printable.Strip(printable.Clip(r.Host))), zap.String("user_agent", printable.Strip(printable.Clip(r.UserAgent()))))
	p.logger.Warn(message, fields...)
}
