package frame

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/opaque"
)

// proof is a way to prove who one is. The form of a sign-in says which it is for in
// its field proof, empty for the first.
type proof interface {
	// name is what the form says.
	name() string
	// prove finds out who sent the form.
	prove(v *Visit) (auth.Principal, error)
}

// passwordProof takes a name and a password.
type passwordProof struct{ page *Handler }

func (passwordProof) name() string { return "" }

func (p passwordProof) prove(v *Visit) (auth.Principal, error) {
	return p.page.checkPassword(v.Request, v.PostFormValue("name"), v.PostFormValue("password"))
}

// checkPassword proves a person by a password, and by nothing else that is good as
// one elsewhere.
func (h *Handler) checkPassword(r *http.Request, name, password string) (auth.Principal, error) {
	if name == "" || password == "" {
		return auth.Principal{}, Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "name and password are both needed")
	}
	if _, err := opaque.Parse(password); err == nil {
		return auth.Principal{}, Refusal(http.StatusUnprocessableEntity, adminapi.CodePasswordNeeded,
			"that is a token, which opens registries and the admin API: sign in with your password")
	}
	principal, problem := h.LogIn(r, strings.TrimSpace(name), password)
	if problem != nil {
		return auth.Principal{}, problem
	}
	if principal.Method != auth.ByPassword {
		return auth.Principal{}, Refusal(http.StatusForbidden, adminapi.CodePasswordNeeded, "the page is for people: sign in with a name and a password")
	}
	return principal, nil
}

// signInForm is what the page of the sign-in shows.
type signInForm struct {
	Name string
	// Next is where to go on to.
	Next string
	// Ended is set when something was sent after the session had ended.
	Ended bool
}

func (h *Handler) showSignIn(v *Visit) error {
	next := nextPage(v.URL.Query().Get("next"))
	if v.Viewer != nil {
		return v.goOn(next)
	}
	return v.Render("signin", "Sign in", signInForm{Next: next})
}

func (h *Handler) signIn(v *Visit) error {
	form := signInForm{Name: v.PostFormValue("name"), Next: nextPage(v.PostFormValue("next"))}
	principal, err := h.prove(v)
	if err == nil {
		err = v.begin(principal)
	}
	if errors.Is(err, auth.ErrInvalidCredentials) { // the password was changed just now
		err = Refusal(http.StatusUnauthorized, adminapi.CodeUnauthorized, "wrong username or password")
	}
	if err != nil {
		return v.Refused("signin", "Sign in", form, err)
	}
	h.Logger.Info("signed in at the page", zap.Stringer("subject", principal.Ref), zap.String("session", v.Viewer.Session),
		zap.Stringer("client_ip", auth.OriginOf(v.Context()).Address))
	return v.goOn(form.Next)
}

func (h *Handler) prove(v *Visit) (auth.Principal, error) {
	for _, proof := range h.proofs {
		if proof.name() == v.PostFormValue("proof") {
			return proof.prove(v)
		}
	}
	return auth.Principal{}, Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "nobody can sign in that way here")
}

// signInFirst sends who is not signed in to where that is done. What a form held is
// not kept.
func (v *Visit) signInFirst() error {
	if v.Method == http.MethodPost {
		return v.Answer(http.StatusUnauthorized, "signin", View{Title: "Sign in", Data: signInForm{Ended: true}})
	}
	query := url.Values{}
	if next := nextPage(v.URL.RequestURI()); next != Root {
		query.Set("next", next)
	}
	return v.Redirect("sign-in", query)
}

// nextPage is a page to go on to after the sign-in: one of these, whatever a link
// says.
func nextPage(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(path.Clean(u.Path)+"/", Root) ||
		strings.HasPrefix(u.Path, Root+"sign-") || strings.Contains(next, `\`) {
		return Root
	}
	// What is written is looked at as well as what was read: url encodes a path anew that browsers would not write so, and two slashes at
	// its beginning are a host.
	written := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).RequestURI()
	if !strings.HasPrefix(written, Root) {
		return Root
	}
	return written
}

// goOn redirects to what [nextPage] returned.
func (v *Visit) goOn(next string) error {
	v.Writer.Header().Set("Location", next)
	v.Writer.WriteHeader(http.StatusSeeOther)
	return nil
}

// signOut ends the session.
func (h *Handler) signOut(v *Visit) error {
	if err := h.Sessions.EndPageSession(v.Context(), v.Principal); err != nil {
		return h.Unavailable(err)
	}
	http.SetCookie(v.Writer, sessionCookie(v.Request, ""))
	return v.Done("sign-in", "signed-out")
}
