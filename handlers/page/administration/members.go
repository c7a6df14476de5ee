package administration

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// readMembers reads those of a group whose names hold what is searched for, also by who
// takes one of them out.
func (d *subjectData) readMembers(v *frame.Visit) error {
	query, kept := url.Values{}, v.URL.Query()
	if d.Search = strings.TrimSpace(v.FormValue("q")); d.Search != "" {
		query.Set("q", d.Search)
		kept.Set("q", d.Search)
	}
	list, count, err := countedList(v, pathOf(d.Ref())+"/members", query, "member", "members")
	d.Members, d.Next, d.Count = list.Items, v.FollowingOf(kept, pageOf(d.Ref()), "cursor", list.NextCursor), count
	return err
}

func (h *pages) addMember(v *frame.Visit, group subject.Ref) error {
	wanted := strings.TrimSpace(v.PostFormValue("member"))
	member, err := subject.ParseRef(wanted)
	if err != nil {
		err = frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the member: "+err.Error())
	} else {
		err = v.API(http.MethodPut, memberPath(group, member), nil, nil)
	}
	if err != nil {
		data, failed := h.subject(v, group)
		if failed != nil {
			return failed
		}
		data.Form = wanted
		return v.Refused("subject", group.String(), data, err)
	}
	return v.Done(pageOf(group), "member-added")
}

func (h *pages) removeMember(v *frame.Visit, group subject.Ref) error {
	member, err := subject.ParseRef(v.PostFormValue("member"))
	if err != nil {
		return frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the member: "+err.Error())
	}
	if err := v.API(http.MethodDelete, memberPath(group, member), nil, nil); err != nil {
		return h.subjectRefused(v, group, err)
	}
	back := url.Values{"done": {"member-removed"}}
	if search := v.PostFormValue("q"); search != "" {
		back.Set("q", search)
	}
	return v.Redirect(pageOf(group), back)
}

func memberPath(group, member subject.Ref) string {
	return pathOf(group) + "/members/" + url.PathEscape(member.String())
}
