package administration

import (
	"net/http"
	"net/url"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// tokensData is what the page of everybody's access tokens shows.
type tokensData struct {
	Tokens []adminapi.AccessToken
	Next   string // address
	// Unused is set for those alone that were never used.
	Unused bool
	Now    time.Time
}

func (h *pages) showTokens(v *frame.Visit) error {
	asked := v.URL.Query()
	data := tokensData{Unused: asked.Get("unused") != "", Now: h.Now()}
	query := url.Values{}
	if data.Unused {
		query.Set("unused", "true")
	}
	var list adminapi.List[adminapi.AccessToken]
	if err := v.API(http.MethodGet, "/access-tokens"+v.Listed(query, asked.Get("cursor")), nil, &list); err != nil {
		return err
	}
	data.Tokens, data.Next = list.Items, v.Following("tokens", "cursor", list.NextCursor)
	return v.Render("tokens", "Tokens", data)
}

// endToken goes back to the list that it was found in.
func (h *pages) endToken(v *frame.Visit) error {
	if err := v.API(http.MethodDelete, tokenPath(v), nil, nil); err != nil {
		return err
	}
	back := url.Values{"done": {"token-ended"}}
	if v.PostFormValue("unused") != "" {
		back.Set("unused", "yes")
	}
	return v.Redirect("tokens", back)
}
