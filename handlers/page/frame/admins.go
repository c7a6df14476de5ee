package frame

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/dockit-registry/dockit/adminapi"
)

// admins has everybody else told that the page is not theirs. What it does is asked of
// the admin API, which refuses them as well.
func admins(f PageFunc) PageFunc {
	return func(v *Visit) error {
		if !v.Viewer.Admin {
			return Refusal(http.StatusForbidden, adminapi.CodeForbidden, "this page is for admins, and you are none: ask one to do it, or to make you one")
		}
		return f(v)
	}
}

// AdminGet adds a page for admins alone, and AdminPost what a form of theirs does.
func (h *Handler) AdminGet(path string, f PageFunc)  { h.Get(path, admins(f)) }
func (h *Handler) AdminPost(path string, f PageFunc) { h.Post(path, admins(f)) }

// rowsShown is how many rows a list of a page has.
const rowsShown = 50

// Listed asks for what one page of a list shows: further parameters of the request,
// and where the page before ended.
func (v *Visit) Listed(query url.Values, cursor string) string {
	query.Set("limit", strconv.Itoa(rowsShown))
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return "?" + query.Encode()
}

// Following is the address of the next page of a list, which keeps the filters, empty
// when there is none. page is the path of the list below [Root], which also stands in
// what forms answer; name is that of the cursor.
func (v *Visit) Following(page, name, cursor string) string {
	return v.FollowingOf(v.URL.Query(), page, name, cursor)
}

// FollowingOf is [Visit.Following] with filters that are not all in the address, as of a list that what a form answers
// shows.
func (v *Visit) FollowingOf(query url.Values, page, name, cursor string) string {
	if cursor == "" {
		return ""
	}
	query.Del("done")
	query.Set(name, cursor)
	return Root + page + "?" + query.Encode()
}
