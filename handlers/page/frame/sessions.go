package frame

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

func (h *Handler) showSessions(v *Visit) error {
	query := url.Values{"limit": {"150"}} // as many as one user can have
	if cursor := v.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list adminapi.List[adminapi.RefreshToken]
	if err := v.API(http.MethodGet, v.Own("refresh-tokens")+"?"+query.Encode(), nil, &list); err != nil {
		return err
	}
	return v.Render("sessions", "Your logins", sessionsData{list.Items, list.NextCursor})
}

func (h *Handler) endSession(v *Visit) error {
	id := v.PathValue("id")
	if err := v.API(http.MethodDelete, "/refresh-tokens/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	if id == v.Viewer.Session {
		http.SetCookie(v.Writer, sessionCookie(v.Request, ""))
		return v.Done("sign-in", "signed-out")
	}
	return v.Done("sessions", "session-ended")
}

func (h *Handler) endSessions(v *Visit) error {
	if err := v.API(http.MethodDelete, v.Own("refresh-tokens"), nil, nil); err != nil {
		return err
	}
	http.SetCookie(v.Writer, sessionCookie(v.Request, ""))
	return v.Done("sign-in", "sessions-ended")
}
