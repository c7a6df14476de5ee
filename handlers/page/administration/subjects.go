package administration

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// subjectsData is what a list of users, robots or groups shows.
type subjectsData struct {
	Kind     subject.Kind
	Subjects []adminapi.Subject
	Next     string // address
	// Search, Admin and Disabled are what the list is restricted to.
	Search          string
	Admin, Disabled bool
	// Count says how many there are, Command what lists the same.
	Count, Command string
	Form           subjectForm
	// Open is set when the form to make one is.
	Open bool
}

// subjectForm is the form of a subject to be made, as it was filled in.
type subjectForm struct {
	Name  string
	Admin bool
}

// Title is what a kind is called above its list.
func (d subjectsData) Title() string { return kindTitles[d.Kind] }

// Filtered reports whether the list may leave something out.
func (d subjectsData) Filtered() bool { return d.Search != "" || d.Admin || d.Disabled }

var kindTitles = map[subject.Kind]string{subject.User: "Users", subject.Robot: "Robots", subject.Group: "Groups"}

// forKind makes pages for a kind of one for any.
func forKind(kind subject.Kind, f func(v *frame.Visit, kind subject.Kind) error) frame.PageFunc {
	return func(v *frame.Visit) error { return f(v, kind) }
}

// forRef makes pages for the subjects of a kind of one for any. The name is whatever
// the address says.
func forRef(kind subject.Kind, f func(v *frame.Visit, ref subject.Ref) error) frame.PageFunc {
	return func(v *frame.Visit) error { return f(v, subject.Ref{Kind: kind, Name: v.PathValue("name")}) }
}

// pathOf is the path of a subject, of the admin API with a slash in front, and of the
// page without.
func pathOf(ref subject.Ref) string { return "/" + ref.Kind.Plural() + "/" + url.PathEscape(ref.Name) }

func pageOf(ref subject.Ref) string { return strings.TrimPrefix(pathOf(ref), "/") }

func (h *pages) showSubjects(v *frame.Visit, kind subject.Kind) error {
	data, err := h.subjects(v, kind)
	if err != nil {
		return err
	}
	return v.Render("subjects", data.Title(), data)
}

func (h *pages) subjects(v *frame.Visit, kind subject.Kind) (subjectsData, error) {
	asked := v.URL.Query()
	data := subjectsData{Kind: kind, Search: strings.TrimSpace(asked.Get("q")), Admin: asked.Get("admin") != "", Disabled: asked.Get("disabled") != ""}
	query, arguments := url.Values{}, []string{kind.Plural()}
	if data.Search != "" {
		query.Set("q", data.Search)
		arguments = append(arguments, "--search", data.Search)
	}
	if data.Admin && kind == subject.User {
		query.Set("admin", "true")
		arguments = append(arguments, "--admin")
	}
	if data.Disabled {
		query.Set("disabled", "true")
		arguments = append(arguments, "--disabled")
	}
	data.Command = frame.Command(v.Request, "list", arguments...)
	list, count, err := countedList(v, "/"+kind.Plural(), query, string(kind), kind.Plural())
	data.Subjects, data.Next, data.Count = list.Items, v.Following(kind.Plural(), "cursor", list.NextCursor), count
	return data, err
}

// addSubject makes a subject. The password of a user is set on a page of its own.
func (h *pages) addSubject(v *frame.Visit, kind subject.Kind) error {
	form := subjectForm{Name: strings.TrimSpace(v.PostFormValue("name")), Admin: v.PostFormValue("admin") != ""}
	var body any = adminapi.NewSubject{Name: form.Name}
	var err error
	chosen := kind == subject.User && v.PostFormValue("new_password") != ""
	if kind == subject.User {
		user := adminapi.NewUser{Name: form.Name, Admin: form.Admin, Password: v.PostFormValue("new_password")}
		if _, sent := v.PostForm["new_password"]; !sent { // it was asked for the own password, which forgets the other
			err = frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "nobody was added yet: type the password of the user again, or leave it empty")
		}
		if user.Password != v.PostFormValue("repeated_password") {
			err = frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the password and its repetition are not the same: type both again")
		}
		body = user
	}
	if err == nil && (form.Admin || chosen) {
		err = v.NeedsPassword("a user with a password, or who is an admin,")
	}
	var made adminapi.Subject
	if err == nil {
		err = v.API(http.MethodPost, "/"+kind.Plural(), body, &made)
	}
	if err != nil {
		data, failed := h.subjects(v, kind)
		if failed != nil {
			return failed
		}
		data.Form, data.Open = form, true
		return v.Refused("subjects", data.Title(), data, err)
	}
	return v.Done(pageOf(made.Ref()), string(kind)+"-added")
}
