package trust

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/federation"
)

// issuersData is what the page of trusted issuers shows.
type issuersData struct {
	Issuers   []shownIssuer
	Next      string // cursor
	Platforms []platform
}

// shownIssuer is an issuer, in words.
type shownIssuer struct {
	adminapi.Issuer
	Platform platform
	// State says whether its tokens are taken.
	State string
	// Bad is set when that is not as it should be.
	Bad bool
	// KeySource says where its keys come from, KeysAge how long ago, and Age how old a
	// token may be.
	KeySource, KeysAge, Age string
}

func (h *pages) shown(i adminapi.Issuer) shownIssuer {
	s := shownIssuer{Issuer: i, Platform: platformOf(i.NewIssuer), State: "trusted", KeySource: "discovery", Age: durationOf(i.MaxAge, federation.DefaultMaxAge)}
	switch {
	case i.Disabled:
		s.State = "disabled"
	case !i.Keys.AwaySince.IsZero():
		s.State, s.Bad = "away", true
	case len(i.Keys.IDs) == 0:
		s.State, s.Bad = "no keys", true
	}
	if !i.Keys.FetchedAt.IsZero() {
		s.KeysAge = ago(h.Now(), i.Keys.FetchedAt)
	}
	switch {
	case i.JWKS != "":
		s.KeySource = "given"
	case i.JWKSURL != "":
		s.KeySource = i.JWKSURL
	case i.JWKSHost != "":
		s.KeySource = "discovery, also on " + i.JWKSHost
	}
	return s
}

// Given reports whether the keys were given, so that there is nothing to fetch. A
// listing leaves them out.
func (s shownIssuer) Given() bool {
	return s.Keys.FetchedAt.IsZero() && s.Keys.AwaySince.IsZero() && s.JWKSURL == "" && len(s.Keys.IDs) > 0
}

func issuerPath(name string) string { return "/issuers/" + url.PathEscape(name) }

func (h *pages) showIssuers(v *frame.Visit) error {
	var list adminapi.List[adminapi.Issuer]
	if err := v.API(http.MethodGet, "/issuers"+v.Listed(url.Values{}, v.URL.Query().Get("cursor")), nil, &list); err != nil {
		return err
	}
	data := issuersData{Next: list.NextCursor, Platforms: platforms}
	for _, issuer := range list.Items {
		data.Issuers = append(data.Issuers, h.shown(issuer))
	}
	return v.Render("issuers", "Issuers", data)
}

// issuerData is what the page of one issuer shows.
type issuerData struct {
	shownIssuer
	Bindings []adminapi.Binding
	// More is set when there are more bindings than are shown.
	More     bool
	Refusals []adminapi.IssuerRefusal
}

func (h *pages) showIssuer(v *frame.Visit) error {
	data, err := h.issuer(v, v.PathValue("name"))
	if err != nil {
		return err
	}
	return v.Render("issuer", "Issuer "+data.Name, data)
}

func (h *pages) issuer(v *frame.Visit, name string) (issuerData, error) {
	var data issuerData
	var issuer adminapi.Issuer
	if err := v.API(http.MethodGet, issuerPath(name), nil, &issuer); err != nil {
		return data, err
	}
	data.shownIssuer = h.shown(issuer)
	var bindings adminapi.List[adminapi.Binding]
	if err := v.API(http.MethodGet, "/bindings?limit=100&issuer="+url.QueryEscape(name), nil, &bindings); err != nil {
		return data, err
	}
	data.Bindings, data.More = bindings.Items, bindings.NextCursor != ""
	var refusals adminapi.List[adminapi.IssuerRefusal]
	err := v.API(http.MethodGet, issuerPath(name)+"/refusals?limit=50", nil, &refusals)
	data.Refusals = refusals.Items
	return data, err
}

// refreshIssuer asks an issuer for its keys. That it does not answer is said above
// what is known of it.
func (h *pages) refreshIssuer(v *frame.Visit) error {
	name := v.PathValue("name")
	if err := v.API(http.MethodPost, issuerPath(name)+"/refresh", nil, nil); err != nil {
		data, failed := h.issuer(v, name)
		if failed != nil {
			return failed
		}
		return v.Refused("issuer", "Issuer "+data.Name, data, err)
	}
	return v.Done("issuers/"+url.PathEscape(name), "issuer-refreshed")
}

// switchIssuer disables or enables an issuer.
func (h *pages) switchIssuer(disabled bool, done string) frame.PageFunc {
	return func(v *frame.Visit) error {
		name := v.PathValue("name")
		if err := v.API(http.MethodPatch, issuerPath(name), adminapi.IssuerChange{Disabled: &disabled}, nil); err != nil {
			return err
		}
		return v.Done("issuers/"+url.PathEscape(name), done)
	}
}

func (h *pages) askToRemoveIssuer(v *frame.Visit) error {
	data, err := h.issuer(v, v.PathValue("name"))
	if err != nil {
		return err
	}
	return v.Render("issuerremove", "Trust the issuer "+data.Name+" no more", data)
}

func (h *pages) removeIssuer(v *frame.Visit) error {
	if err := v.API(http.MethodDelete, issuerPath(v.PathValue("name")), nil, nil); err != nil {
		return err
	}
	return v.Done("issuers", "issuer-removed")
}

// ago is how long ago something was, in words that need no clock.
func ago(now, then time.Time) string {
	switch age := now.Sub(then); {
	case age < time.Minute:
		return "just now"
	case age < 2*time.Hour:
		return plural(int(age/time.Minute), "minute") + " ago"
	case age < 48*time.Hour:
		return plural(int(age/time.Hour), "hour") + " ago"
	default:
		return plural(int(age/(24*time.Hour)), "day") + " ago"
	}
}

// plural counts in words.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
