package frame

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

// confirmField is where a form has the password of who sends it, for what takes it
// once more.
const confirmField = "confirm_password"

// confirmation repeats a form with the password.
type confirmation struct {
	Action string
	Fields []field
}

type field struct{ Name, Value string }

// confirmed looks at the password that a form brings along. It reports whether the
// form was answered by asking for it again.
func (v *Visit) confirmed() (answered bool, err error) {
	password := v.PostFormValue(confirmField)
	if password == "" {
		return false, nil
	}
	err = v.confirm(password)
	problem, ok := errors.AsType[*adminapi.Problem](err)
	switch {
	case errors.Is(err, auth.ErrInvalidCredentials):
		return true, v.signInFirst()
	case ok:
		return true, v.askAgain(problem)
	case err != nil:
		return true, v.page.Unavailable(err)
	}
	return false, nil
}

// confirm proves who is signed in by the password. Errors: an [adminapi.Problem];
// [auth.ErrInvalidCredentials] when the session is over; or what the store says.
func (v *Visit) confirm(password string) error {
	proof, err := v.page.checkPassword(v.Request, v.Viewer.Name(), password)
	if err != nil {
		return err
	}
	if err := v.page.Sessions.ProvePageSession(v.Context(), v.Principal, proof); err != nil {
		return err
	}
	session := *v.Principal.Page
	session.ProvedAt = v.page.Now()
	v.Principal.Page = &session
	v.become(v.Principal)
	return nil
}

// secrets are fields that never come back in a page.
var secrets = []string{confirmField, "password", "new_password", "repeated_password", "token"}

// askAgain asks for the password, and repeats what was sent. A file is not repeated.
func (v *Visit) askAgain(problem *adminapi.Problem) error {
	again := confirmation{Action: v.URL.RequestURI()}
	for _, name := range slices.Sorted(maps.Keys(v.PostForm)) {
		if slices.Contains(secrets, name) {
			continue
		}
		for _, value := range v.PostForm[name] {
			again.Fields = append(again.Fields, field{name, value})
		}
	}
	status := http.StatusForbidden
	if problem != nil {
		status = problem.Status
	}
	return v.Answer(status, "confirm", View{Title: "Your password, once more", Data: again, Problem: problem})
}

// NeedsPassword refuses a form with a secret in it that has to be confirmed and was
// not: the secret does not come back with the question.
func (v *Visit) NeedsPassword(what string) error {
	if !v.Viewer.Confirms {
		return nil
	}
	return Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, what+" takes your own password once more: type it, and what was to be set")
}
