package credentials

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// List is what a page of access tokens shows.
type List struct {
	Tokens []adminapi.AccessToken
	Next   string // cursor
	Form   Form
	Lives  []Life
	Now    time.Time
}

// Life is how long a token is to last. Days is 0 for as long as is allowed.
type Life struct {
	Days  int
	Title string
}

// Lives are those that the form proposes.
var Lives = []Life{{7, "7 days"}, {30, "30 days"}, {90, "90 days"}, {365, "1 year"}, {0, "as long as is allowed"}}

// Form is the form of a token to be made, as it was filled in.
type Form struct {
	Name string
	// Scope is what the token may do: all, pull, or what Scopes lists, a permission in
	// each line.
	Scope, Scopes string
	Days          int
	Networks      string
}

func (h *pages) showCredentials(v *frame.Visit) error {
	data, err := h.credentials(v)
	if err != nil {
		return err
	}
	return v.Render("credentials", "Credentials", data)
}

func (h *pages) credentials(v *frame.Visit) (List, error) {
	data := List{Lives: Lives, Form: Form{Scope: "all", Days: 90}, Now: h.Now()}
	query := url.Values{"limit": {"50"}}
	if cursor := v.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list adminapi.List[adminapi.AccessToken]
	err := v.API(http.MethodGet, v.Own("access-tokens")+"?"+query.Encode(), nil, &list)
	data.Tokens, data.Next = list.Items, list.NextCursor
	return data, err
}

// makeCredential answers with the token itself: it is shown this once, and stands in
// no address.
func (h *pages) makeCredential(v *frame.Visit) error {
	form := Form{
		Name: strings.TrimSpace(v.PostFormValue("name")), Scope: v.PostFormValue("scope"), Scopes: v.PostFormValue("scopes"),
		Networks: v.PostFormValue("networks"),
	}
	wanted, err := form.Read(v, h.Now())
	var issued adminapi.IssuedAccessToken
	if err == nil {
		err = v.API(http.MethodPost, v.Own("access-tokens"), wanted, &issued)
	}
	if err != nil {
		data, failed := h.credentials(v)
		if failed != nil {
			return failed
		}
		data.Form = form
		return v.Refused("credentials", "Credentials", data, err)
	}
	return ShowIssued(v, http.StatusCreated, "Your new token", issued)
}

// Read makes a request of the form.
func (f *Form) Read(v *frame.Visit, now time.Time) (adminapi.NewAccessToken, error) {
	wanted := adminapi.NewAccessToken{Name: f.Name}
	days, err := strconv.Atoi(v.PostFormValue("days"))
	if err != nil || !slices.ContainsFunc(Lives, func(l Life) bool { return l.Days == days }) {
		return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose how long the token is to last")
	}
	if f.Days = days; days > 0 {
		wanted.ExpiresAt = now.AddDate(0, 0, days).Truncate(time.Second)
	}
	switch f.Scope {
	case "all":
	case "pull":
		wanted.Scopes = []access.Permission{{Type: access.Repository, Name: "**", Actions: access.Pull}}
	case "some":
		for line := range strings.FieldsSeq(f.Scopes) {
			scope, err := access.ParsePermission(line)
			if err != nil {
				return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("what it may do: %v", err))
			}
			wanted.Scopes = append(wanted.Scopes, scope)
		}
		if len(wanted.Scopes) == 0 {
			return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "what it may do: write a permission such as repository:team/app:pull in each line")
		}
	default:
		return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose what the token may do")
	}
	for text := range strings.FieldsSeq(strings.ReplaceAll(f.Networks, ",", " ")) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("%.60q is no network: write one such as 192.0.2.0/24", text))
		}
		wanted.Networks = append(wanted.Networks, network)
	}
	return wanted, nil
}

func (h *pages) endCredential(v *frame.Visit) error {
	if err := v.API(http.MethodDelete, "/access-tokens/"+url.PathEscape(v.PathValue("id")), nil, nil); err != nil {
		return err
	}
	return v.Done("credentials", "credential-ended")
}

// Expired reports whether a token has ended by itself.
func (d List) Expired(at time.Time) bool { return !at.IsZero() && at.Before(d.Now) }
