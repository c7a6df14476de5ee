// Package administration is the room of what admins keep, at the page for people: users,
// robots, groups and what they were given; keys; the audit; and all of it as one document.
package administration

import (
	"embed"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

//go:embed templates
var templateFiles embed.FS

var templates = frame.TemplatesOf(templateFiles)

// pages are those of the room.
type pages struct{ *frame.Handler }

// Add adds the pages of the room. maxState is the largest state document that the admin
// API takes, in bytes.
func Add(to *frame.Handler, maxState int64) {
	h := &pages{to}
	h.AddTemplates(templates)
	for _, kind := range subject.Kinds {
		h.AdminGet(kind.Plural(), forKind(kind, h.showSubjects))
		h.AdminPost(kind.Plural(), forKind(kind, h.addSubject))
		one := kind.Plural() + "/{name}"
		h.AdminGet(one, forRef(kind, h.showSubject))
		h.subjectChangeRoutes(kind)
		h.AdminGet(one+"/remove", forRef(kind, h.showRemoval))
		h.AdminPost(one+"/remove", forRef(kind, h.removeSubject))
		h.AdminGet(one+"/permissions", forRef(kind, h.showPermissions))
		h.AdminPost(one+"/permissions", forRef(kind, h.changePermission))
		h.AdminGet(one+"/permissions/preview", forRef(kind, h.showPreview))
		if kind == subject.Group {
			continue
		}
		h.AdminGet(one+"/credentials", forRef(kind, h.showSubjectCredentials))
		h.AdminPost(one+"/credentials", forRef(kind, h.makeSubjectToken))
		h.AdminPost(one+"/credentials/{id}/rotate", forRef(kind, h.rotateSubjectToken))
		h.AdminPost(one+"/credentials/{id}/end", forRef(kind, h.endSubjectToken))
		h.AdminPost(one+"/logins/{id}/end", forRef(kind, h.endSubjectLogin))
		h.AdminPost(one+"/logins/end", forRef(kind, h.endSubjectLogins))
	}
	h.AdminGet("users/{name}/password", forRef(subject.User, h.showSubjectPassword))
	h.AdminPost("users/{name}/password", forRef(subject.User, h.setSubjectPassword))
	h.AdminPost("groups/{name}/members", forRef(subject.Group, h.addMember))
	h.AdminPost("groups/{name}/members/remove", forRef(subject.Group, h.removeMember))
	h.AdminGet("tokens", h.showTokens)
	h.AdminPost("tokens/{id}/end", h.endToken)
	h.AdminGet("state", h.showState)
	h.AdminGet("state/download", h.downloadState)
	h.AdminUpload("state/plan", maxState+frame.MaxForm, h.planState)
	h.AdminUpload("state/apply", maxState+frame.MaxForm, h.applyState)
	h.AdminGet("keys", h.showKeys)
	h.AdminPost("keys/examine", h.examineRegistry)
	h.AdminPost("keys/rotate", h.rotateKeys)
	h.AdminPost("keys/rotate-authority", h.rotateAuthority)
	h.AdminGet("keys/{id}/revoke", h.askToRevokeKey)
	h.AdminPost("keys/{id}/revoke", h.revokeKey)
	h.AdminGet("audit", h.showAudit)
	h.AdminGet("audit/verify", h.verifyAudit)
	h.AdminGet("audit/{sequence}", h.showAuditEntry)
	h.AdminGet("lockouts", h.showLockouts)
	h.AdminPost("lockouts/clear", h.clearLockout)
}
