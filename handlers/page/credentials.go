package page

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
)

// credentialsData is what the page of access tokens shows.
type credentialsData struct {
	Tokens []adminapi.AccessToken
	Next   string // cursor
	Form   tokenForm
	Lives  []life
	Now    time.Time
}

// life is how long a token is to last. Days is 0 for as long as is allowed.
type life struct {
	Days  int
	Title string
}

var lives = []life{{7, "7 days"}, {30, "30 days"}, {90, "90 days"}, {365, "1 year"}, {0, "as long as is allowed"}}

// tokenForm is the form of a token to be made, as it was filled in.
type tokenForm struct {
	Name string
	// Scope is what the token may do: all, pull, or what Scopes lists, a permission in
	// each line.
	Scope, Scopes string
	Days          int
	Networks      string
}

func (h *Handler) showCredentials(v *visit) error {
	data, err := h.credentials(v)
	if err != nil {
		return err
	}
	return v.render("credentials", "Credentials", data)
}

func (h *Handler) credentials(v *visit) (credentialsData, error) {
	data := credentialsData{Lives: lives, Form: tokenForm{Scope: "all", Days: 90}, Now: h.config.Now()}
	query := url.Values{"limit": {"50"}}
	if cursor := v.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list adminapi.List[adminapi.AccessToken]
	err := v.API(http.MethodGet, v.own("access-tokens")+"?"+query.Encode(), nil, &list)
	data.Tokens, data.Next = list.Items, list.NextCursor
	return data, err
}

// makeCredential answers with the token itself: it is shown this once, and stands in
// no address.
func (h *Handler) makeCredential(v *visit) error {
	form := tokenForm{
		Name: strings.TrimSpace(v.PostFormValue("name")), Scope: v.PostFormValue("scope"), Scopes: v.PostFormValue("scopes"),
		Networks: v.PostFormValue("networks"),
	}
	wanted, err := form.read(v, h.config.Now())
	var issued adminapi.IssuedAccessToken
	if err == nil {
		err = v.API(http.MethodPost, v.own("access-tokens"), wanted, &issued)
	}
	if err != nil {
		data, failed := h.credentials(v)
		if failed != nil {
			return failed
		}
		data.Form = form
		return v.refused("credentials", "Credentials", data, err)
	}
	return h.showIssued(v, http.StatusCreated, "Your new token", issued)
}

// read makes a request of the form.
func (f *tokenForm) read(v *visit, now time.Time) (adminapi.NewAccessToken, error) {
	wanted := adminapi.NewAccessToken{Name: f.Name}
	days, err := strconv.Atoi(v.PostFormValue("days"))
	if err != nil || !slices.ContainsFunc(lives, func(l life) bool { return l.Days == days }) {
		return wanted, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose how long the token is to last")
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
				return wanted, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("what it may do: %v", err))
			}
			wanted.Scopes = append(wanted.Scopes, scope)
		}
		if len(wanted.Scopes) == 0 {
			return wanted, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "what it may do: write a permission such as repository:team/app:pull in each line")
		}
	default:
		return wanted, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose what the token may do")
	}
	for text := range strings.FieldsSeq(strings.ReplaceAll(f.Networks, ",", " ")) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return wanted, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("%.60q is no network: write one such as 192.0.2.0/24", text))
		}
		wanted.Networks = append(wanted.Networks, network)
	}
	return wanted, nil
}

func (h *Handler) endCredential(v *visit) error {
	if err := v.API(http.MethodDelete, "/access-tokens/"+url.PathEscape(v.PathValue("id")), nil, nil); err != nil {
		return err
	}
	return v.done("credentials", "credential-ended")
}
