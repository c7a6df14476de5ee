package page

import (
	"net/http"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

func (h *Handler) showSubjectPassword(v *visit, ref subject.Ref) error {
	var user adminapi.Subject
	if err := v.API(http.MethodGet, pathOf(ref), nil, &user); err != nil {
		return err
	}
	if ref == v.Viewer.Ref {
		return v.redirect("password", nil)
	}
	return v.render("subjectpassword", "Password of "+ref.String(), user)
}

// setSubjectPassword sets the password of somebody else.
func (h *Handler) setSubjectPassword(v *visit, ref subject.Ref) error {
	next := v.PostFormValue("new_password")
	err := v.needsPassword("the password of somebody else")
	if err == nil && (next == "" || next != v.PostFormValue("repeated_password")) {
		err = refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the new password and its repetition are not the same: type both again")
	}
	if err == nil {
		err = v.API(http.MethodPut, pathOf(ref)+"/password", adminapi.PasswordChange{Password: next}, nil)
	}
	if err == nil {
		return v.done(pageOf(ref), "password-set")
	}
	var user adminapi.Subject
	if failed := v.API(http.MethodGet, pathOf(ref), nil, &user); failed != nil {
		return failed
	}
	return v.refused("subjectpassword", "Password of "+ref.String(), user, err)
}
