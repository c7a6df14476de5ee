package administration

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// removalData is what is asked before a subject is removed.
type removalData struct {
	adminapi.Subject
	// Typed is what was given for the name.
	Typed string
}

// showRemoval is the first step: it says what goes with the subject.
func (h *pages) showRemoval(v *frame.Visit, ref subject.Ref) error {
	data, err := removal(v, ref)
	if err != nil {
		return err
	}
	return v.Render("subjectremoval", "Remove "+ref.String(), data)
}

func removal(v *frame.Visit, ref subject.Ref) (data removalData, err error) {
	return data, v.API(http.MethodGet, pathOf(ref), nil, &data.Subject)
}

// removeSubject is the second step. The name is typed, and the subject is the one
// that was shown.
func (h *pages) removeSubject(v *frame.Visit, ref subject.Ref) error {
	data, err := removal(v, ref)
	if err != nil {
		return err
	}
	if data.Typed = strings.TrimSpace(v.PostFormValue("typed")); data.Typed != ref.Name {
		return v.Refused("subjectremoval", "Remove "+ref.String(), data,
			frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "nothing was removed: type the name "+ref.Name+" to show that it is meant"))
	}
	header := http.Header{"If-Match": {`"` + v.PostFormValue("version") + `"`}}
	var answer bytes.Buffer // of a robot, which bindings went along
	if err := v.SendWith(http.MethodDelete, pathOf(ref), header, nil, &answer); err != nil {
		return v.Refused("subjectremoval", "Remove "+ref.String(), data, err)
	}
	return v.Done(ref.Kind.Plural(), string(ref.Kind)+"-removed")
}
