package page

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// adminPages are the pages for admins, and adminForms their forms, below the root.
var (
	adminPages = []string{
		"users", "users/bob", "users/bob/remove", "users/bob/permissions", "users/bob/permissions/preview?permission=repository:a:pull", "users/bob/credentials", "users/bob/password",
		"robots", "robots/ci", "robots/ci/remove", "robots/ci/permissions", "robots/ci/permissions/preview?permission=repository:a:pull", "robots/ci/credentials",
		"groups", "groups/dev", "groups/dev/remove", "groups/dev/permissions", "groups/dev/permissions/preview?permission=repository:a:pull",
		"users/anonymous", "groups/authenticated", "groups/authenticated/permissions",
		"tokens", "tokens?unused=yes", "state", "state/download",
	}
	adminForms = []string{
		"users", "users/bob/enable", "users/bob/disable", "users/bob/make-admin", "users/bob/unmake-admin", "users/bob/remove", "users/bob/permissions", "users/bob/password",
		"users/bob/credentials", "users/bob/credentials/x/rotate", "users/bob/credentials/x/end", "users/bob/logins/x/end", "users/bob/logins/end",
		"robots", "robots/ci/enable", "robots/ci/disable", "robots/ci/remove", "robots/ci/permissions",
		"robots/ci/credentials", "robots/ci/credentials/x/rotate", "robots/ci/credentials/x/end", "robots/ci/logins/x/end", "robots/ci/logins/end",
		"groups", "groups/dev/enable", "groups/dev/disable", "groups/dev/remove", "groups/dev/permissions", "groups/dev/members", "groups/dev/members/remove",
		"tokens/x/end", "state/plan", "state/apply",
	}
)

// administrable is a fixture that has a robot and a group, too.
func administrable(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.make("robot:ci")
	f.make("group:dev")
	return f
}

func (f *fixture) make(ref string) {
	f.Helper()
	r, err := subject.ParseRef(ref)
	require.NoError(f, err)
	_, err = f.store.CreateSubject(f.Context(), store.NewSubject{Ref: r})
	require.NoError(f, err)
}

// TestPagesOfAdminsAreForAdmins guards each page and each form of theirs.
func TestPagesOfAdminsAreForAdmins(t *testing.T) {
	f := administrable(t)
	alice, nobody := f.signedIn("alice"), f.browser()
	changes := func() string {
		entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Limit: 100})
		require.NoError(t, err)
		return entries[0].At.String()
	}
	before := changes()
	for _, path := range adminPages {
		assert.Equal(t, http.StatusForbidden, alice.get(path).Code, path)
		assert.Contains(t, alice.get(path).Body.String(), "for admins", path)
		assert.Equal(t, http.StatusSeeOther, nobody.get(path).Code, path)
	}
	for _, path := range adminForms {
		assert.Equal(t, http.StatusForbidden, alice.post(path, "name", "new", "permission", "repository:a:pull").Code, path)
		assert.Equal(t, http.StatusUnauthorized, nobody.post(path).Code, path)
	}
	assert.NotContains(t, alice.get("").Body.String(), `href="/dockit/users"`)
	assert.Equal(t, before, changes(), "nothing was changed")
	// The admin API is what decides: a page that forgot to ask shows nothing, either.
	for _, path := range []string{"/users", "/access-tokens", "/state"} {
		f.page.Get("test"+path, func(v *frame.Visit) error { return v.API(http.MethodGet, path, nil, nil) })
		assert.Equal(t, http.StatusForbidden, alice.get("test"+path).Code, path)
	}
}

// TestNavigation guards that people find few links, and admins theirs under headings, of which each page marks its own.
func TestNavigation(t *testing.T) {
	f := administrable(t)
	alice, admin := f.signedIn("alice"), f.signedIn("root")
	const current = `<a href="/dockit/%s" aria-current="%s">`
	for name, c := range map[string]struct {
		path, link, current string
	}{
		"start":             {"", "", "page"},
		"credentials":       {"credentials", "credentials", "page"},
		"tags":              {"repositories/access?name=team/app", "repositories", "true"},
		"a user":            {"users/bob/permissions", "users", "true"},
		"users":             {"users?q=b", "users", "page"},
		"issuer to trust":   {"new-issuer/github", "issuers", "true"},
		"token to be tried": {"try-token", "issuers", "true"},
		"one entry":         {"audit/1", "audit", "true"},
		"state":             {"state", "state", "page"},
	} {
		page := admin.get(c.path).Body.String()
		assert.Contains(t, page, fmt.Sprintf(current, c.link, c.current), name)
		assert.Equal(t, 1, strings.Count(page[:strings.Index(page, "</header>")], "aria-current="), name)
	}
	page := admin.get("").Body.String()
	for _, heading := range []string{"Access", "Trust", "Records"} {
		assert.Regexp(t, `<span id="(group-\d)">`+heading+`</span>\n<ul aria-labelledby="group-\d">`, page)
	}
	assert.NotContains(t, alice.get("").Body.String(), "For admins")
	assert.NotContains(t, f.browser().get("sign-in").Body.String(), "<nav")
}

// TestPagesOfSubjectsMarkTheirOwn guards that each of the links above a subject says whether it is the one that is shown.
func TestPagesOfSubjectsMarkTheirOwn(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	for path, here := range map[string]string{
		"users/bob": "Overview", "users/bob/permissions": "Permissions", "users/bob/credentials": "Credentials",
		"robots/ci": "Overview", "robots/ci/permissions": "Permissions", "robots/ci/credentials": "Credentials",
		"groups/dev": "Overview", "groups/dev/permissions": "Permissions",
		"users/anonymous": "Overview", "groups/authenticated/permissions": "Permissions",
		"users/bob/permissions/preview?permission=team": "Permissions", // refused
	} {
		_, page, _ := strings.Cut(b.get(path).Body.String(), "</header>")
		assert.Contains(t, page, ` aria-current="page">`+here+`</a>`, path)
		assert.Equal(t, 1, strings.Count(page, "aria-current="), path)
	}
}

// TestOtherSitesChangeNothingOfAdmins guards each form.
func TestOtherSitesChangeNothingOfAdmins(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	b.change = func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	for _, path := range adminForms {
		answer := b.post(path, "name", "new", "member", "user:bob", "permission", "repository:a:pull")
		assert.Equal(t, http.StatusForbidden, answer.Code, path)
		assert.Contains(t, answer.Body.String(), "comes from another site", path)
	}
}

func TestPagesOfAdminsArePlain(t *testing.T) {
	f := administrable(t)
	f.grantTo("group:dev", "repository:team/**:push")
	b := f.signedIn("root")
	for _, path := range adminPages {
		answer := b.get(path)
		require.Equal(t, http.StatusOK, answer.Code, "%s: %s", path, answer.Body)
		for header, value := range policies {
			assert.Equal(t, []string{value}, answer.Header().Values(header), "%s: %s", path, header)
		}
		if path != "state/download" {
			isPlain(t, answer.Body.String())
			assert.Contains(t, answer.Body.String(), "dockit rbac ", "%s: the command that does the same", path)
		}
	}
	assert.Contains(t, b.get("").Body.String(), `href="/dockit/users"`)
	for _, path := range []string{"users", "users/anonymous", "groups", "groups/authenticated"} {
		assert.NotContains(t, b.get(path).Body.String(), "1970", "%s: what is built in was never added", path)
	}
	assert.Equal(t, http.StatusNotFound, b.get("users/nobody").Code)
	assert.Equal(t, http.StatusNotFound, b.get("users/ci").Code, "which is a robot")
}

// TestHostileTextsOfAdminsStayText guards that nothing that others write becomes markup in a page for admins.
func TestHostileTextsOfAdminsStayText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	f := administrable(t)
	f.token("robot:ci", "deploy", hostile)
	b := f.signedIn("root")
	escaped := url.PathEscape(hostile)
	for name, body := range map[string]string{
		"search":     b.get("users?q=" + url.QueryEscape(hostile)).Body.String(),
		"name":       b.get("users/" + escaped).Body.String(),
		"tokens":     b.get("tokens").Body.String(),
		"last used":  b.get("robots/ci/credentials").Body.String(),
		"permission": b.get("users/bob/permissions/preview?permission=" + url.QueryEscape(hostile)).Body.String(),
		"added":      b.post("users", "name", hostile, "new_password", "", "repeated_password", "").Body.String(),
		"member":     b.post("groups/dev/members", "member", hostile).Body.String(),
		"removal":    b.post("users/bob/remove", "typed", hostile).Body.String(),
		"document":   b.post("state/plan", "document", hostile).Body.String(),
		"plan":       b.post("state/plan", "document", "version: dockit/v1 # "+hostile).Body.String(),
	} {
		isPlain(t, body)
		assert.NotContains(t, body, "<script>alert", name)
		assert.NotContains(t, body, "<img", name)
	}
}

func (f *fixture) grantTo(ref, permission string) {
	f.Helper()
	r, err := subject.ParseRef(ref)
	require.NoError(f, err)
	_, err = f.store.Grant(f.Context(), r, mustPermission(f, permission))
	require.NoError(f, err)
}

// TestUploadIsReadOfAdminsAlone guards that nobody else can fill the disk with a document.
func TestUploadIsReadOfAdminsAlone(t *testing.T) {
	f := administrable(t)
	for _, b := range []*browser{f.browser(), f.signedIn("alice")} {
		var body *counted64
		b.change = func(r *http.Request) {
			body = &counted64{Reader: strings.NewReader("document=" + strings.Repeat("x", 1<<20))}
			r.Body = body
		}
		b.post("state/plan")
		assert.Zero(t, body.read)
	}
}

// lately is a moment ago.
func lately(f *fixture) time.Time { return f.store.Now().Add(-time.Minute) }
