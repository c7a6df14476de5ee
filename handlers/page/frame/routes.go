package frame

import (
	"net/http"

	"github.com/dockit-registry/dockit/handlers/limit"
)

// PageFunc answers a request of a person. An error is shown as a page of its own.
type PageFunc func(v *Visit) error

// routes has a line for each page of a session, and one for each form.
func (h *Handler) routes() {
	h.mux.Handle("GET "+Root+assetsPath+"{name}", http.HandlerFunc(serveAsset))

	h.public(http.MethodGet, "sign-in", h.showSignIn)
	h.public(http.MethodPost, "sign-in", h.signIn)
	h.Post("sign-out", h.signOut)
	h.Get("password", h.showPassword)
	h.add(http.MethodPost, "password", member(h.changePassword)) // which takes the password anyway
	h.Get("sessions", h.showSessions)
	h.Post("sessions/{id}/end", h.endSession)
	h.Post("sessions/end", h.endSessions)
}

// Get adds a page below [Root] for who is signed in.
func (h *Handler) Get(path string, f PageFunc) { h.add(http.MethodGet, path, signedIn(f)) }

// Post adds what a form does, for who is signed in.
func (h *Handler) Post(path string, f PageFunc) { h.add(http.MethodPost, path, signedIn(f)) }

// AdminUpload is AdminPost with a larger body, of so many bytes, which is read of admins
// alone.
func (h *Handler) AdminUpload(path string, most int64, f PageFunc) {
	h.bodies[h.handle(http.MethodPost, path, member(admins(unhurried(withForm(signedIn(f))))))] = most
}

// unhurried gives who was let in the time that a large body takes.
func unhurried(f PageFunc) PageFunc {
	return func(v *Visit) error {
		limit.Extend(v.Writer, v.Request, limit.Limits{Read: uploadTimeout, Write: uploadTimeout})
		return f(v)
	}
}

// public adds a page for everybody.
func (h *Handler) public(method, path string, f PageFunc) { h.add(method, path, f) }

func (h *Handler) add(method, path string, f PageFunc) { h.handle(method, path, withForm(f)) }

func (h *Handler) handle(method, path string, f PageFunc) (pattern string) {
	pattern = method + " " + Root + path
	h.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, f) }))
	return pattern
}

// signedIn has everybody else sign in first, and looks at the password that a form
// brings along.
func signedIn(f PageFunc) PageFunc {
	return member(func(v *Visit) error {
		if v.Method == http.MethodPost {
			if answered, err := v.confirmed(); answered || err != nil {
				return err
			}
		}
		return f(v)
	})
}

// member has everybody else sign in first.
func member(f PageFunc) PageFunc {
	return func(v *Visit) error {
		if v.Viewer == nil {
			return v.signInFirst()
		}
		return f(v)
	}
}
