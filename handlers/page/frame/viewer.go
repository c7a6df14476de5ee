package frame

import (
	"errors"
	"net/http"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/subject"
)

// Viewer is who looks.
type Viewer struct {
	Ref   subject.Ref
	Admin bool
	// Confirms is set when what needs the password has to ask for it.
	Confirms bool
	// Session is the id of the session.
	Session string
}

// Name is that of the user.
func (v Viewer) Name() string { return v.Ref.Name }

// recognize finds out who looks by the cookie of a session.
func (v *Visit) recognize() error {
	cookie, err := v.Cookie(cookieName(v.Request))
	if err != nil {
		return nil //nolint:nilerr // no user is signed in
	}
	principal, err := v.page.Sessions.ByPageSession(v.Context(), cookie.Value)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return nil
	}
	if err != nil {
		return v.page.Unavailable(err)
	}
	v.become(principal)
	return nil
}

func (v *Visit) become(p auth.Principal) {
	v.Principal = p
	v.Viewer = &Viewer{Ref: p.Ref, Admin: p.Admin, Confirms: p.PasswordIsOld(v.page.Now()), Session: p.Page.ID}
}

// begin signs a person in with a new session, and ends the one that the browser had.
// Errors: [auth.ErrInvalidCredentials] when the password was changed just now, or a
// refusal.
func (v *Visit) begin(p auth.Principal) error {
	secret, session, err := v.page.Sessions.BeginPageSession(v.Context(), p)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return err
	}
	if err == nil && v.Viewer != nil {
		err = v.page.Sessions.EndPageSession(v.Context(), v.Principal)
	}
	if err != nil {
		return v.page.Unavailable(err)
	}
	p.Method, p.Page = auth.ByPage, &session
	v.become(p)
	http.SetCookie(v.Writer, sessionCookie(v.Request, secret))
	return nil
}
