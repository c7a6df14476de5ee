package administration

import (
	"net/http"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

func (h *pages) showSubjectPassword(v *frame.Visit, ref subject.Ref) error {
	var user adminapi.Subject
	if err := v.API(http.MethodGet, pathOf(ref), nil, &user); err != nil {
		return err
	}
	if ref == v.Viewer.Ref {
		return v.Redirect("password", nil)
	}
	return v.Render("subjectpassword", "Password of "+ref.String(), user)
}

// setSubjectPassword sets the password of another user.
func (h *pages) setSubjectPassword(v *frame.Visit, ref subject.Ref) error {
	next := v.PostFormValue("new_password")
	err := v.NeedsPassword("the password of somebody else")
	if err == nil && (next == "" || next != v.PostFormValue("repeated_password")) {
		err = frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the new password and its repetition are not the same: type both again")
	}
	if err == nil {
		err = v.API(http.MethodPut, pathOf(ref)+"/password", adminapi.PasswordChange{Password: next}, nil)
	}
	if err == nil {
		return v.Done(pageOf(ref), "password-set")
	}
	var user adminapi.Subject
	if failed := v.API(http.MethodGet, pathOf(ref), nil, &user); failed != nil {
		return failed
	}
	return v.Refused("subjectpassword", "Password of "+ref.String(), user, err)
}
