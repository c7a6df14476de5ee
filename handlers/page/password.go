package page

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

func (h *Handler) showPassword(v *visit) error {
	return v.render("password", "Your password", nil)
}

// changePassword takes the old password along with the new one, which ends every
// login of the user: the browser gets a new one.
func (h *Handler) changePassword(v *visit) error {
	err := h.setPassword(v)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return v.signInFirst()
	}
	if err != nil {
		return v.refused("password", "Your password", nil, err)
	}
	h.config.Logger.Info("changed the own password at the page", zap.Stringer("subject", v.Viewer.Ref))
	return v.done("password", "password-changed")
}

func (h *Handler) setPassword(v *visit) error {
	current, next := v.PostFormValue(confirmField), v.PostFormValue("new_password")
	switch {
	case current == "":
		return refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "your password as it is now is needed, too")
	case next == "" || next != v.PostFormValue("repeated_password"):
		return refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the new password and its repetition are not the same: type both again")
	}
	if err := v.confirm(current); err != nil {
		return err
	}
	if err := v.API(http.MethodPut, v.own("password"), adminapi.PasswordChange{Password: next}, nil); err != nil {
		return err
	}
	principal, err := h.checkPassword(v.Request, v.Viewer.Name(), next)
	if err == nil {
		v.Viewer = nil // the session has ended
		err = v.begin(principal)
	}
	return err
}
