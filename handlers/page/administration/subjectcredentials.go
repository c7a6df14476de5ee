package administration

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/credentials"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// subjectCredentialsData is what the page of a subject's tokens and logins shows.
type subjectCredentialsData struct {
	credentials.List
	Ref subject.Ref
	// Logins are those of a user, and Sessions the jobs that logged in as a robot.
	Logins     []adminapi.RefreshToken
	Sessions   []adminapi.Session
	LoginsNext string // address
	Graces     []grace
}

// IsRobot reports whether it is about a robot.
func (d subjectCredentialsData) IsRobot() bool { return d.Ref.Kind == subject.Robot }

// FirstLogin is the id of the first login, empty where there is none.
func (d subjectCredentialsData) FirstLogin() string {
	switch {
	case len(d.Sessions) > 0:
		return d.Sessions[0].ID
	case len(d.Logins) > 0:
		return d.Logins[0].ID
	default:
		return ""
	}
}

// grace is how long the old secret of a token goes on.
type grace struct {
	Seconds int
	Title   string
}

var graces = []grace{{0, "not at all"}, {3600, "for 1 hour"}, {86400, "for 1 day"}, {7 * 86400, "for 7 days"}}

func (h *pages) showSubjectCredentials(v *frame.Visit, ref subject.Ref) error {
	data, err := h.subjectCredentials(v, ref)
	if err != nil {
		return err
	}
	return v.Render("subjectcredentials", "Credentials of "+ref.String(), data)
}

func (h *pages) subjectCredentials(v *frame.Visit, ref subject.Ref) (subjectCredentialsData, error) {
	data := subjectCredentialsData{Ref: ref, Graces: graces}
	data.Lives, data.Form, data.Now = credentials.Lives, credentials.Form{Scope: "all", Days: 90}, h.Now()
	asked := v.URL.Query()
	var tokens adminapi.List[adminapi.AccessToken]
	if err := v.API(http.MethodGet, pathOf(ref)+"/access-tokens"+v.Listed(url.Values{}, asked.Get("cursor")), nil, &tokens); err != nil {
		return data, err
	}
	data.Tokens, data.Next = tokens.Items, v.Following(pageOf(ref)+"/credentials", "cursor", tokens.NextCursor)
	if ref.Kind == subject.Robot {
		var sessions adminapi.List[adminapi.Session]
		err := v.API(http.MethodGet, pathOf(ref)+"/sessions"+v.Listed(url.Values{}, asked.Get("logins")), nil, &sessions)
		data.Sessions, data.LoginsNext = sessions.Items, v.Following(pageOf(ref)+"/credentials", "logins", sessions.NextCursor)
		return data, err
	}
	var logins adminapi.List[adminapi.RefreshToken]
	err := v.API(http.MethodGet, pathOf(ref)+"/refresh-tokens"+v.Listed(url.Values{}, asked.Get("logins")), nil, &logins)
	data.Logins, data.LoginsNext = logins.Items, v.Following(pageOf(ref)+"/credentials", "logins", logins.NextCursor)
	return data, err
}

// makeSubjectToken answers with the token itself, in the forms of [credentials.ShowIssued].
func (h *pages) makeSubjectToken(v *frame.Visit, ref subject.Ref) error {
	form := credentials.Form{
		Name: strings.TrimSpace(v.PostFormValue("name")), Scope: v.PostFormValue("scope"), Scopes: v.PostFormValue("scopes"),
		Networks: v.PostFormValue("networks"),
	}
	wanted, err := form.Read(v, h.Now())
	var issued adminapi.IssuedAccessToken
	if err == nil {
		err = v.API(http.MethodPost, pathOf(ref)+"/access-tokens", wanted, &issued)
	}
	if err != nil {
		return h.credentialsRefused(v, ref, form, err)
	}
	return credentials.ShowIssued(v, http.StatusCreated, "The new token", issued)
}

// rotateSubjectToken replaces the secret of a token, and answers with the new one.
func (h *pages) rotateSubjectToken(v *frame.Visit, ref subject.Ref) error {
	seconds, err := strconv.Atoi(v.PostFormValue("grace"))
	if err != nil {
		return h.credentialsRefused(v, ref, credentials.Form{Scope: "all", Days: 90},
			frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "choose how long the old secret is to go on"))
	}
	var issued adminapi.IssuedAccessToken
	err = v.API(http.MethodPost, tokenPath(v)+"/rotate", adminapi.AccessTokenRotation{Grace: seconds}, &issued)
	if err != nil {
		return h.credentialsRefused(v, ref, credentials.Form{Scope: "all", Days: 90}, err)
	}
	return credentials.ShowIssued(v, http.StatusOK, "The new secret", issued)
}

func (h *pages) credentialsRefused(v *frame.Visit, ref subject.Ref, form credentials.Form, err error) error {
	data, failed := h.subjectCredentials(v, ref)
	if failed != nil {
		return failed
	}
	data.Form = form
	return v.Refused("subjectcredentials", "Credentials of "+ref.String(), data, err)
}

// tokenPath is the path of the access token that the address names.
func tokenPath(v *frame.Visit) string { return "/access-tokens/" + url.PathEscape(v.PathValue("id")) }

func (h *pages) endSubjectToken(v *frame.Visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, tokenPath(v), nil, nil); err != nil {
		return err
	}
	return v.Done(pageOf(ref)+"/credentials", "token-ended")
}

// logins is the collection of what stays logged in as a subject.
func logins(ref subject.Ref) string {
	if ref.Kind == subject.Robot {
		return "sessions"
	}
	return "refresh-tokens"
}

func (h *pages) endSubjectLogin(v *frame.Visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, "/"+logins(ref)+"/"+url.PathEscape(v.PathValue("id")), nil, nil); err != nil {
		return err
	}
	return v.Done(pageOf(ref)+"/credentials", "login-ended")
}

func (h *pages) endSubjectLogins(v *frame.Visit, ref subject.Ref) error {
	if err := v.API(http.MethodDelete, pathOf(ref)+"/"+logins(ref), nil, nil); err != nil {
		return err
	}
	return v.Done(pageOf(ref)+"/credentials", "logins-ended")
}
