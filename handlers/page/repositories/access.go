package repositories

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// mine is what one subject may do to a repository, and why. That of who looks is its
// own.
type mine struct{ adminapi.Decision }

// decision asks what a subject may do to a repository.
func (h *pages) decision(v *frame.Visit, ref subject.Ref, repository string) (adminapi.Decision, error) {
	query := url.Values{"name": {repository}, "actions": {access.All.String()}}
	var d adminapi.Decision
	err := v.API(http.MethodGet, "/"+ref.Kind.Plural()+"/"+url.PathEscape(ref.Name)+"/can?"+query.Encode(), nil, &d)
	return d, err
}

// mine asks what who looks may do.
func (h *pages) mine(v *frame.Visit, p place) (mine, error) {
	d, err := h.decision(v, v.Viewer.Ref, p.Name)
	return mine{d}, err
}

// Actions are those that may be done.
func (m mine) Actions() []string {
	if m.Disabled {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.Decision.Actions), func(action string) bool { return slices.Contains(m.Missing, action) })
}

// May reports whether an action may be done.
func (m mine) May(action string) bool { return slices.Contains(m.Actions(), action) }

// accessData is what the page of who may do what shows.
type accessData struct {
	place
	// Mine is about who looks, and Asked about another subject, nil when none was
	// asked about.
	Mine  mine
	Asked *mine
	// Subject is who was asked about.
	Subject string
	// Holders are who was given something here, for admins.
	Holders []adminapi.Holder
	Next    string // cursor
}

// showAccess says who may do what to a repository, and why: to admins about everybody,
// to others about themselves.
func (h *pages) showAccess(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	data := accessData{place: p, Subject: strings.TrimSpace(v.URL.Query().Get("subject"))}
	if data.Mine, err = h.mine(v, p); err != nil {
		return err
	}
	title := "Who may use " + p.Name
	if v.Viewer.Admin {
		if err := h.holders(v, &data); err != nil {
			return err
		}
	}
	if data.Subject == "" {
		return v.Render("access", title, data)
	}
	ref, err := subject.ParseRef(data.Subject)
	if err != nil {
		return v.Refused("access", title, data, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, err.Error()))
	}
	d, err := h.decision(v, ref, p.Name)
	if err != nil {
		return v.Refused("access", title, data, err)
	}
	data.Asked = &mine{d}
	return v.Render("access", title, data)
}

func (h *pages) holders(v *frame.Visit, data *accessData) error {
	query := url.Values{"repository": {data.Name}, "limit": {"100"}}
	if cursor := v.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list adminapi.List[adminapi.Holder]
	err := v.API(http.MethodGet, "/permissions?"+query.Encode(), nil, &list)
	data.Holders, data.Next = list.Items, list.NextCursor
	return err
}

// HoldersCall is the call that lists the holders, as many as one answer has.
func (d accessData) HoldersCall() string {
	return "permissions?" + url.Values{"repository": {d.Name}, "limit": {"1000"}}.Encode()
}

// Note says for whom a permission counts where its holder does not say it.
func (accessData) Note(h adminapi.Holder) string {
	switch {
	case h.Disabled:
		return "disabled: counts for nothing"
	case h.Subject.Kind == subject.Group && strings.Contains(h.Permission.Name, "{username}"):
		return "only the member whose name makes it fit"
	case h.Subject == subject.Authenticated:
		return "everyone who logged in"
	case h.Subject == subject.Anonymous:
		return "everyone, without logging in"
	case h.Subject.Kind == subject.Group:
		return "every member"
	default:
		return ""
	}
}

// Origin says in words where a permission comes from.
func (m mine) Origin(via subject.Ref) string {
	switch via {
	case m.Subject:
		return via.String() + " itself"
	case subject.Authenticated:
		return "everyone who logged in"
	case subject.Anonymous:
		return "everyone"
	default:
		return via.String()
	}
}
