package administration

import (
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// subjectData is what the page of a user, a robot or a group shows.
type subjectData struct {
	adminapi.Subject
	// Groups are those that a user or robot is in, and Members the first of a group.
	Groups  []adminapi.Subject
	Members []adminapi.Subject
	Next    string // address
	// Search is what the names of the members that are shown hold, Count how many there are.
	Search, Count string
	// Form is a member that could not be added.
	Form string
}

// Self reports whether it is the one of who looks.
func (d subjectData) Self(v *frame.Viewer) bool { return d.Ref() == v.Ref }

// IsUser, IsRobot and IsGroup say what it is.
func (d subjectData) IsUser() bool  { return d.Kind == subject.User }
func (d subjectData) IsRobot() bool { return d.Kind == subject.Robot }
func (d subjectData) IsGroup() bool { return d.Kind == subject.Group }

func (h *pages) showSubject(v *frame.Visit, ref subject.Ref) error {
	data, err := h.subject(v, ref)
	if err != nil {
		return err
	}
	return v.Render("subject", ref.String(), data)
}

func (h *pages) subject(v *frame.Visit, ref subject.Ref) (subjectData, error) {
	var data subjectData
	if err := v.API(http.MethodGet, pathOf(ref), nil, &data.Subject); err != nil {
		return data, err
	}
	if data.BuiltIn {
		return data, nil
	}
	if ref.Kind == subject.Group {
		err := data.readMembers(v)
		return data, err
	}
	var list adminapi.List[adminapi.Subject]
	err := v.API(http.MethodGet, pathOf(ref)+"/groups"+v.Listed(url.Values{}, v.URL.Query().Get("cursor")), nil, &list)
	data.Groups, data.Next = list.Items, v.Following(pageOf(ref), "cursor", list.NextCursor)
	return data, err
}

// subjectChanges are what the buttons of a subject do, by the end of their addresses.
var subjectChanges = []struct {
	name   string
	change func(on, off *bool) adminapi.SubjectChange
	notice string
	users  bool
}{
	{"enable", func(_, off *bool) adminapi.SubjectChange { return adminapi.SubjectChange{Disabled: off} }, "enabled", false},
	{"disable", func(on, _ *bool) adminapi.SubjectChange { return adminapi.SubjectChange{Disabled: on} }, "disabled", false},
	{"make-admin", func(on, _ *bool) adminapi.SubjectChange { return adminapi.SubjectChange{Admin: on} }, "admin-made", true},
	{"unmake-admin", func(_, off *bool) adminapi.SubjectChange { return adminapi.SubjectChange{Admin: off} }, "admin-unmade", true},
}

// subjectChangeRoutes adds these buttons for a kind.
func (h *pages) subjectChangeRoutes(kind subject.Kind) {
	for _, c := range subjectChanges {
		if c.users && kind != subject.User {
			continue
		}
		h.AdminPost(kind.Plural()+"/{name}/"+c.name, forRef(kind, func(v *frame.Visit, ref subject.Ref) error {
			on, off := true, false
			if err := v.API(http.MethodPatch, pathOf(ref), c.change(&on, &off), nil); err != nil {
				return h.subjectRefused(v, ref, err)
			}
			return v.Done(pageOf(ref), c.notice)
		}))
	}
}

// subjectRefused shows a subject with what is wrong with a change of it.
func (h *pages) subjectRefused(v *frame.Visit, ref subject.Ref, err error) error {
	data, failed := h.subject(v, ref)
	if failed != nil {
		return failed
	}
	return v.Refused("subject", ref.String(), data, err)
}
