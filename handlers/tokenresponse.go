package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/jsonstring"
	"github.com/dockit-registry/dockit/internal/token"
)

// tokenResponse is what a client gets.
type tokenResponse struct {
	token.Issued
	// refreshToken is empty when there is none.
	refreshToken string
	// oauth is set for an answer that says what was granted.
	oauth   bool
	granted []access.Scope
}

// append appends the answer of the distribution specification, as JSON. Two
// fields hold the same token, because clients read either.
func (r *tokenResponse) append(dst []byte) []byte {
	// A JWT is base64url and dots, which stand for themselves.
	dst = append(dst, `{"token":"`...)
	dst = append(dst, r.Token...)
	dst = append(dst, `","access_token":"`...)
	dst = append(dst, r.Token...)
	dst = append(dst, '"')
	if r.oauth {
		dst = append(dst, `,"scope":`...)
		dst = jsonstring.Append(dst, scopeText(r.granted))
	}
	dst = append(dst, `,"expires_in":`...)
	dst = strconv.AppendInt(dst, int64(r.ExpiresIn), 10)
	dst = append(dst, `,"issued_at":"`...)
	dst = r.IssuedAt.AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, '"')
	if r.refreshToken != "" {
		dst = append(dst, `,"refresh_token":`...)
		dst = jsonstring.Append(dst, r.refreshToken)
	}
	return append(dst, "}\n"...)
}

// write sends the answer at once. With its length, the server need not send it
// in chunks.
func (r *tokenResponse) write(w http.ResponseWriter) {
	room := answers.Get().(*[]byte)
	*room = r.append((*room)[:0])
	// A handler in front may change the values, so that they are this
	// answer's own.
	values, header := [...]string{"application/json", "no-store", strconv.Itoa(len(*room))}, w.Header()
	for i, name := range [...]string{"Content-Type", "Cache-Control", "Content-Length"} {
		header[name] = values[i : i+1 : i+1]
	}
	w.WriteHeader(http.StatusOK)
	const most = 64 << 10
	// A server may still hold what it could not send to a client that is gone.
	if _, err := w.Write(*room); err == nil && cap(*room) <= most {
		answers.Put(room)
	}
}

// answers are where answers are written, one after the other.
var answers = sync.Pool{New: func() any {
	const usual = 4 << 10
	room := make([]byte, 0, usual)
	return &room
}}

func scopeText(scopes []access.Scope) string {
	var text strings.Builder
	for i, scope := range scopes {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(scope.String())
	}
	return text.String()
}
