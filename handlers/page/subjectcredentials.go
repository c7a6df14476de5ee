package page

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// subjectCredentialsData is what the page of somebody's tokens and logins shows.
type subjectCredentialsData struct {
	credentialsData
	Ref subject.Ref
	// Logins are those of a user, and Sessions the jobs that logged in as a robot.
	Logins     []adminapi.RefreshToken
	Sessions   []adminapi.Session
	LoginsNext string // address
	Graces     []grace
}

// IsRobot reports whether it is about a robot.
func (d subjectCredentialsData) IsRobot() bool { return d.Ref.Kind == subject.Robot }

// grace is how long the old secret of a token goes on.
type grace struct {
	Seconds int
	Title   string
}

var graces = []grace{{0, "not at all"}, {3600, "for 1 hour"}, {86400, "for 1 day"}, {7 * 86400, "for 7 days"}}

func (h *Handler) showSubjectCredentials(v *visit, ref subject.Ref) error {
	data, err := h.subjectCredentials(v, ref)
	if err != nil {
		return err
	}
	return v.render("subjectcredentials", "Credentials of "+ref.String(), data)
}

func (h *Handler) subjectCredentials(v *visit, ref subject.Ref) (subjectCredentialsData, error) {
	data := subjectCredentialsData{Ref: ref, Graces: graces}
	data.Lives, data.Form, data.Now = lives, tokenForm{Scope: "all", Days: 90}, h.config.Now()
	asked := v.URL.Query()
	var tokens adminapi.List[adminapi.AccessToken]
	if err := v.API(http.MethodGet, pathOf(ref)+"/access-tokens"+v.listed(url.Values{}, asked.Get("cursor")), nil, &tokens); err != nil {
		return data, err
	}
	data.Tokens, data.Next = tokens.Items, v.following("cursor", tokens.NextCursor)
	if ref.Kind == subject.Robot {
		var sessions adminapi.List[adminapi.Session]
		err := v.API(http.MethodGet, pathOf(ref)+"/sessions"+v.listed(url.Values{}, asked.Get("logins")), nil, &sessions)
		data.Sessions, data.LoginsNext = sessions.Items, v.following("logins", sessions.NextCursor)
		return data, err
	}
	var logins adminapi.List[adminapi.RefreshToken]
	err := v.API(http.MethodGet, pathOf(ref)+"/refresh-tokens"+v.listed(url.Values{}, asked.Get("logins")), nil, &logins)
	data.Logins, data.LoginsNext = logins.Items, v.following("logins", logins.NextCursor)
	return data, err
}

// makeSubjectToken answers with the token itself, as makeCredential does.
func (h *Handler) makeSubjectToken(v *visit, ref subject.Ref) error {
	form := tokenForm{
		Name: strings.TrimSpace(v.PostFormValue("name")), Scope: v.PostFormValue("scope"), Scopes: v.PostFormValue("scopes"),
		Networks: v.PostFormValue("networks"),
	}
	wanted, err := form.read(v, h.config.Now())
	var issued adminapi.IssuedAccessToken
	if err == nil {
		err = v.API(http.MethodPost, pathOf(ref)+"/access-tokens", wanted, &issued)
	}
	if err != nil {
		return h.credentialsRefused(v, ref, form, err)
	}
	return h.showIssued(v, http.StatusCreated, "The new token", issued)
}

// rotateSubjectToken replaces the secret of a token, and answers with the new one.
func (h *Handler) rotateSubjectToken(v *visit, ref subject.Ref) error {
	seconds, err := strconv.Atoi(v.PostFormValue("grace"))
	if err != nil {
		return h.credentialsRefused(v, ref, tokenForm{Scope: "all", Days: 90},
			refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose how long the old secret is to go on"))
	}
	var issued adminapi.IssuedAccessToken
	err = v.API(http.MethodPost, tokenPath(v)+"/rotate", adminapi.AccessTokenRotation{Grace: seconds}, &issued)
	if err != nil {
		return h.credentialsRefused(v, ref, tokenForm{Scope: "all", Days: 90}, err)
	}
	return h.showIssued(v, http.StatusOK, "The new secret", issued)
}

func (h *Handler) credentialsRefused(v *visit, ref subject.Ref, form tokenForm, err error) error {
	data, failed := h.subjectCredentials(v, ref)
	if failed != nil {
		return failed
	}
	data.Form = form
	return v.refused("subjectcredentials", "Credentials of "+ref.String(), data, err)
}

// tokenPath is the path of the access token that the address names.
func tokenPath(v *visit) string { return "/access-tokens/" + url.PathEscape(v.PathValue("id")) }

func (h *Handler) endSubjectToken(v *visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, tokenPath(v), nil, nil); err != nil {
		return err
	}
	return v.done(pageOf(ref)+"/credentials", "token-ended")
}

// logins is the collection of what stays logged in as a subject.
func logins(ref subject.Ref) string {
	if ref.Kind == subject.Robot {
		return "sessions"
	}
	return "refresh-tokens"
}

func (h *Handler) endSubjectLogin(v *visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, "/"+logins(ref)+"/"+url.PathEscape(v.PathValue("id")), nil, nil); err != nil {
		return err
	}
	return v.done(pageOf(ref)+"/credentials", "login-ended")
}

func (h *Handler) endSubjectLogins(v *visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, pathOf(ref)+"/"+logins(ref), nil, nil); err != nil {
		return err
	}
	return v.done(pageOf(ref)+"/credentials", "logins-ended")
}

// Expired reports whether a token has ended by itself.
func (d credentialsData) Expired(at time.Time) bool { return !at.IsZero() && at.Before(d.Now) }
