package frame

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

func (h *Handler) showPassword(v *Visit) error {
	return v.Render("password", "Your password", nil)
}

// changePassword takes the old password along with the new one, which ends every
// login of the user: the browser gets a new one.
func (h *Handler) changePassword(v *Visit) error {
	err := h.setPassword(v)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return v.signInFirst()
	}
	if err != nil {
		return v.Refused("password", "Your password", nil, err)
	}
	h.Logger.Info("changed the own password at the page", zap.Stringer("subject", v.Viewer.Ref))
	return v.Done("password", "password-changed")
}

func (h *Handler) setPassword(v *Visit) error {
	current, next := v.PostFormValue(confirmField), v.PostFormValue("new_password")
	switch {
	case current == "":
		return Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "your password as it is now is needed, too")
	case next == "" || next != v.PostFormValue("repeated_password"):
		return Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the new password and its repetition are not the same: type both again")
	}
	if err := v.confirm(current); err != nil {
		return err
	}
	if err := v.API(http.MethodPut, v.Own("password"), adminapi.PasswordChange{Password: next}, nil); err != nil {
		return err
	}
	principal, err := h.checkPassword(v.Request, v.Viewer.Name(), next)
	if err == nil {
		v.Viewer = nil // the session has ended
		err = v.begin(principal)
	}
	return err
}
