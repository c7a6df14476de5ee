package page

import (
	"net/http"

	"github.com/dockit-registry/dockit/handlers/limit"
	"github.com/dockit-registry/dockit/subject"
)

// pageFunc answers a request of a person. An error is shown as a page of its own.
type pageFunc func(v *visit) error

// routes has a line for each page, and one for each form.
func (h *Handler) routes() {
	h.mux.Handle("GET "+root+assetsPath+"{name}", http.HandlerFunc(serveAsset))

	h.public(http.MethodGet, "sign-in", h.showSignIn)
	h.public(http.MethodPost, "sign-in", h.signIn)
	h.post("sign-out", h.signOut)

	h.get("{$}", h.showHome)
	h.get("repositories", h.showRepositories)
	h.get("repositories/tags", h.showRepository)
	h.get("repositories/image", h.showImage)
	h.get("repositories/access", h.showAccess)
	h.get("repositories/delete", h.showDeletion)
	h.post("repositories/delete", h.deleteImage)
	h.get("credentials", h.showCredentials)
	h.post("credentials", h.makeCredential)
	h.post("credentials/{id}/end", h.endCredential)
	h.get("password", h.showPassword)
	h.add(http.MethodPost, "password", member(h.changePassword)) // which takes the password anyway
	h.get("sessions", h.showSessions)
	h.post("sessions/{id}/end", h.endSession)
	h.post("sessions/end", h.endSessions)

	for _, kind := range subject.Kinds {
		h.adminGet(kind.Plural(), forKind(kind, h.showSubjects))
		h.adminPost(kind.Plural(), forKind(kind, h.addSubject))
		one := kind.Plural() + "/{name}"
		h.adminGet(one, forRef(kind, h.showSubject))
		h.subjectChangeRoutes(kind)
		h.adminGet(one+"/remove", forRef(kind, h.showRemoval))
		h.adminPost(one+"/remove", forRef(kind, h.removeSubject))
		h.adminGet(one+"/permissions", forRef(kind, h.showPermissions))
		h.adminPost(one+"/permissions", forRef(kind, h.changePermission))
		h.adminGet(one+"/permissions/preview", forRef(kind, h.showPreview))
		if kind == subject.Group {
			continue
		}
		h.adminGet(one+"/credentials", forRef(kind, h.showSubjectCredentials))
		h.adminPost(one+"/credentials", forRef(kind, h.makeSubjectToken))
		h.adminPost(one+"/credentials/{id}/rotate", forRef(kind, h.rotateSubjectToken))
		h.adminPost(one+"/credentials/{id}/end", forRef(kind, h.endSubjectToken))
		h.adminPost(one+"/logins/{id}/end", forRef(kind, h.endSubjectLogin))
		h.adminPost(one+"/logins/end", forRef(kind, h.endSubjectLogins))
	}
	h.adminGet("users/{name}/password", forRef(subject.User, h.showSubjectPassword))
	h.adminPost("users/{name}/password", forRef(subject.User, h.setSubjectPassword))
	h.adminPost("groups/{name}/members", forRef(subject.Group, h.addMember))
	h.adminPost("groups/{name}/members/remove", forRef(subject.Group, h.removeMember))
	h.adminGet("tokens", h.showTokens)
	h.adminPost("tokens/{id}/end", h.endToken)
	h.adminGet("state", h.showState)
	h.adminGet("state/download", h.downloadState)
	h.upload("state/plan", h.config.MaxState+maxForm, h.planState, admins)
	h.upload("state/apply", h.config.MaxState+maxForm, h.applyState, admins)
	h.adminGet("issuers", h.showIssuers)
	h.adminGet("new-issuer/{kind}", h.newIssuer)
	h.upload("new-issuer/{kind}", maxIssuer, h.trustIssuer, admins)
	h.adminGet("issuers/{name}", h.showIssuer)
	h.adminPost("issuers/{name}/refresh", h.refreshIssuer)
	h.adminPost("issuers/{name}/enable", h.switchIssuer(false, "issuer-enabled"))
	h.adminPost("issuers/{name}/disable", h.switchIssuer(true, "issuer-disabled"))
	h.adminGet("issuers/{name}/remove", h.askToRemoveIssuer)
	h.adminPost("issuers/{name}/remove", h.removeIssuer)
	h.adminGet("try-token", h.showTrial)
	h.adminPost("try-token", h.tryToken)
	h.adminGet("bindings", h.showBindings)
	h.adminGet("new-binding/{issuer}", h.newBinding)
	h.adminPost("new-binding/{issuer}", h.makeBinding)
	h.adminGet("bindings/{name}", h.showBinding)
	h.adminPost("bindings/{name}/enable", h.switchBinding(false, "binding-enabled"))
	h.adminPost("bindings/{name}/disable", h.switchBinding(true, "binding-disabled"))
	h.adminGet("bindings/{name}/remove", h.askToRemoveBinding)
	h.adminPost("bindings/{name}/remove", h.removeBinding)
	h.adminGet("keys", h.showKeys)
	h.adminPost("keys/rotate", h.rotateKeys)
	h.adminPost("keys/rotate-authority", h.rotateAuthority)
	h.adminGet("keys/{id}/revoke", h.askToRevokeKey)
	h.adminPost("keys/{id}/revoke", h.revokeKey)
	h.adminGet("audit", h.showAudit)
	h.adminGet("audit/verify", h.verifyAudit)
	h.adminGet("audit/{sequence}", h.showAuditEntry)
	h.adminGet("lockouts", h.showLockouts)
	h.adminPost("lockouts/clear", h.clearLockout)
}

// get adds a page below [root] for who is signed in.
func (h *Handler) get(path string, f pageFunc) { h.add(http.MethodGet, path, signedIn(f)) }

// post adds what a form does, for who is signed in.
func (h *Handler) post(path string, f pageFunc) { h.add(http.MethodPost, path, signedIn(f)) }

// upload is post with a larger body, of so many bytes, which is read only of who may
// do it.
func (h *Handler) upload(path string, most int64, f pageFunc, who ...func(pageFunc) pageFunc) {
	reading := unhurried(withForm(signedIn(f)))
	for _, let := range who {
		reading = let(reading)
	}
	h.bodies[h.handle(http.MethodPost, path, member(reading))] = most
}

// unhurried gives who was let in the time that a large body takes.
func unhurried(f pageFunc) pageFunc {
	return func(v *visit) error {
		limit.Extend(v.w, v.Request, limit.Limits{Read: uploadTimeout, Write: uploadTimeout})
		return f(v)
	}
}

// public adds a page for everybody.
func (h *Handler) public(method, path string, f pageFunc) { h.add(method, path, f) }

func (h *Handler) add(method, path string, f pageFunc) { h.handle(method, path, withForm(f)) }

func (h *Handler) handle(method, path string, f pageFunc) (pattern string) {
	pattern = method + " " + root + path
	h.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, f) }))
	return pattern
}

// signedIn has everybody else sign in first, and looks at the password that a form
// brings along.
func signedIn(f pageFunc) pageFunc {
	return member(func(v *visit) error {
		if v.Method == http.MethodPost {
			if answered, err := v.confirmed(); answered || err != nil {
				return err
			}
		}
		return f(v)
	})
}

// member has everybody else sign in first.
func member(f pageFunc) pageFunc {
	return func(v *visit) error {
		if v.Viewer == nil {
			return v.signInFirst()
		}
		return f(v)
	}
}
