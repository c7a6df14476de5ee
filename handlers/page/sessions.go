package page

import (
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
)

// sessionsData is what the page of logins shows.
type sessionsData struct {
	Logins []adminapi.RefreshToken
	Next   string // cursor
}

func (h *Handler) showSessions(v *visit) error {
	query := url.Values{"limit": {"150"}} // as many as one user can have
	if cursor := v.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list adminapi.List[adminapi.RefreshToken]
	if err := v.API(http.MethodGet, v.own("refresh-tokens")+"?"+query.Encode(), nil, &list); err != nil {
		return err
	}
	return v.render("sessions", "Your logins", sessionsData{list.Items, list.NextCursor})
}

func (h *Handler) endSession(v *visit) error {
	id := v.PathValue("id")
	if err := v.API(http.MethodDelete, "/refresh-tokens/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	if id == v.Viewer.Session {
		http.SetCookie(v.w, sessionCookie(v.Request, ""))
		return v.done("sign-in", "signed-out")
	}
	return v.done("sessions", "session-ended")
}

func (h *Handler) endSessions(v *visit) error {
	if err := v.API(http.MethodDelete, v.own("refresh-tokens"), nil, nil); err != nil {
		return err
	}
	http.SetCookie(v.w, sessionCookie(v.Request, ""))
	return v.done("sign-in", "sessions-ended")
}
