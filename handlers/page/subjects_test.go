package page

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func mustPermission(f *fixture, text string) access.Permission {
	f.Helper()
	p, err := access.ParsePermission(text)
	require.NoError(f, err)
	return p
}

// token makes an access token that was used by a client, or never.
func (f *fixture) token(owner, name, client string) (id, secret string) {
	f.Helper()
	ref, err := subject.ParseRef(owner)
	require.NoError(f, err)
	made, token, err := f.auth.CreateAccessToken(f.Context(), auth.TokenRequest{Owner: ref, Name: name})
	require.NoError(f, err)
	if client != "" {
		require.NoError(f, f.store.RecordUses(f.Context(), store.Uses{AccessTokens: map[string]store.Use{made.ID: {At: lately(f), Client: client, Address: client}}}))
	}
	return made.ID, token.Reveal()
}

// counted64 says how much was read.
type counted64 struct {
	io.Reader
	read int64
}

func (c *counted64) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}

func (*counted64) Close() error { return nil }

func (f *fixture) found(ref string) (store.Subject, error) {
	r, err := subject.ParseRef(ref)
	require.NoError(f, err)
	return f.store.Subject(f.Context(), r)
}

func TestSubjectsAreAddedChangedAndRemoved(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	const pw = "a password of its own"
	for path, fields := range map[string][]string{
		"users":  {"name", "carol", "new_password", pw, "repeated_password", pw},
		"robots": {"name", "cd"},
		"groups": {"name", "ops"},
	} {
		answer := b.post(path, fields...)
		assert.Equal(t, "/dockit/"+path+"/"+fields[1]+"?done="+strings.TrimSuffix(path, "s")+"-added", answer.Header().Get("Location"), "%s: %s", path, answer.Body)
	}
	require.Equal(t, http.StatusSeeOther, f.browser().post("sign-in", "name", "carol", "password", pw).Code)

	for _, c := range []struct {
		do              string
		admin, disabled bool
	}{{"make-admin", true, false}, {"disable", true, true}, {"enable", true, false}, {"unmake-admin", false, false}} {
		answer := b.post("users/carol/" + c.do)
		require.Equal(t, http.StatusSeeOther, answer.Code, "%s: %s", c.do, answer.Body)
		carol, err := f.found("user:carol")
		require.NoError(t, err)
		assert.Equal(t, []bool{c.admin, c.disabled}, []bool{carol.Admin, carol.Disabled}, c.do)
	}
	answer := b.post("users/root/disable")
	assert.Equal(t, http.StatusConflict, answer.Code)
	assert.Contains(t, answer.Body.String(), "make or enable another admin first")

	for _, path := range []string{"users/carol", "robots/cd", "groups/ops"} {
		_, name, _ := strings.Cut(path, "/")
		form := b.get(path + "/remove").Body.String()
		version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(form)
		require.Len(t, version, 2, form)
		answer := b.post(path+"/remove", "version", version[1], "typed", "another")
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code, path)
		assert.Equal(t, http.StatusPreconditionFailed, b.post(path+"/remove", "version", "1", "typed", name).Code, "%s: it was another one then", path)
		require.Equal(t, http.StatusOK, b.get(path).Code, "%s: nothing happened yet", path)
		answer = b.post(path+"/remove", "version", version[1], "typed", name)
		assert.Equal(t, http.StatusSeeOther, answer.Code, "%s: %s", path, answer.Body)
		assert.Equal(t, http.StatusNotFound, b.get(path).Code, path)
	}
}

func TestSubjectsThatCannotBeAdded(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	for name, c := range map[string]struct {
		path   string
		fields []string
		status int
		says   string
	}{
		"name that is used":    {"robots", []string{"name", "bob"}, http.StatusConflict, "choose another name"},
		"name that is not":     {"groups", []string{"name", "A B"}, http.StatusUnprocessableEntity, "A B"},
		"not twice the same":   {"users", []string{"name", "carol", "new_password", "one long password", "repeated_password", "another"}, http.StatusUnprocessableEntity, "not the same"},
		"too short":            {"users", []string{"name", "carol", "new_password", "short", "repeated_password", "short"}, http.StatusUnprocessableEntity, "12"},
		"password was dropped": {"users", []string{"name", "carol"}, http.StatusUnprocessableEntity, "type the password of the user again"},
	} {
		answer := b.post(c.path, c.fields...)
		assert.Equal(t, c.status, answer.Code, name)
		assert.Contains(t, answer.Body.String(), c.says, name)
		assert.Contains(t, answer.Body.String(), `<details class="card" open>`, "%s: the form is still open", name)
		assert.NotContains(t, answer.Body.String(), "one long password", "%s: it comes back", name)
	}
	_, err := f.found("user:carol")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestSubjectsAreSearchedAndPaged(t *testing.T) {
	f := newFixture(t)
	for i := range 120 {
		f.make(fmt.Sprintf("user:p%03d", i))
	}
	yes := true
	_, err := f.store.UpdateSubject(t.Context(), userRef("p007"), store.SubjectChange{Disabled: &yes}, 0)
	require.NoError(t, err)
	b := f.signedIn("root")
	names := regexp.MustCompile(`href="/dockit/users/([a-z0-9]+)"`)
	seen := map[string]bool{}
	path, pages := "users?q=P", 0
	for path != "" {
		page := b.get(path).Body.String()
		for _, name := range names.FindAllStringSubmatch(page, -1) {
			seen[name[1]] = true
		}
		next := regexp.MustCompile(`rel="next" href="/dockit/([^"]+)"`).FindStringSubmatch(page)
		if path = ""; next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
			assert.Contains(t, path, "q=P", "the filter stays")
		}
		pages++
		require.Less(t, pages, 5)
	}
	assert.Len(t, seen, 120)
	assert.Equal(t, 3, pages)
	found := func(query string) []string {
		var all []string
		for _, name := range names.FindAllStringSubmatch(b.get("users?"+query).Body.String(), -1) {
			all = append(all, name[1])
		}
		return all
	}
	assert.Equal(t, []string{"p007"}, found("disabled=yes"))
	assert.Equal(t, []string{"root"}, found("admin=yes"))
	assert.Equal(t, []string{"p019", "p119"}, found("q=19"), "a part of the name")
	for query, says := range map[string]string{
		"": "124 users", "q=00": "11 of 124 users", "q=p": "120 of 124 users", "q=p&cursor=" + base64.RawURLEncoding.EncodeToString([]byte("p110")): "120 of 124 users",
		"disabled=yes": "1 of 124 users",
	} {
		assert.Contains(t, b.get("users?"+query).Body.String(), `<p class="muted">`+says+`</p>`, query)
	}
	assert.Contains(t, unescaped(b.get("users?q=it's&disabled=yes").Body.String()), `dockit rbac list users --search 'it'\''s' --disabled`)
	assert.Empty(t, found("q=zzz"))
	assert.Contains(t, b.get("users?q=zzz").Body.String(), "No such user.")
	assert.Contains(t, b.get("robots").Body.String(), "There are no robots.")
	assert.Equal(t, http.StatusUnprocessableEntity, b.get("users?cursor=%21").Code, "a cursor of nobody")
}

func TestMembers(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	assert.Contains(t, b.get("groups/dev").Body.String(), "Nobody is in this group.")
	for _, member := range []string{"user:bob", "robot:ci"} {
		answer := b.post("groups/dev/members", "member", " "+member+" ")
		require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
		assert.Contains(t, b.get("groups/dev").Body.String(), member)
	}
	assert.Contains(t, b.get("users/bob").Body.String(), `href="/dockit/groups/dev"`)
	for member, status := range map[string]int{"bob": http.StatusUnprocessableEntity, "user:nobody": http.StatusNotFound, "group:dev": http.StatusConflict} {
		answer := b.post("groups/dev/members", "member", member)
		assert.Equal(t, status, answer.Code, member)
		assert.Contains(t, answer.Body.String(), `value="`+member+`"`, "it can be mended")
	}
	require.Equal(t, http.StatusSeeOther, b.post("groups/dev/members/remove", "member", "user:bob").Code)
	assert.Equal(t, http.StatusNotFound, b.post("groups/dev/members/remove", "member", "user:bob").Code)
	assert.NotContains(t, b.get("groups/dev").Body.String(), "user:bob</a>")
}

func TestMembersAreSearched(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	assert.NotContains(t, b.get("groups/dev").Body.String(), `role="search"`, "nobody to look for")
	for i := range 60 {
		f.make(fmt.Sprintf("user:p%03d", i))
		_, err := f.store.AddMember(t.Context(), subject.Ref{Kind: subject.Group, Name: "dev"}, userRef(fmt.Sprintf("p%03d", i)))
		require.NoError(t, err)
	}
	page := b.get("groups/dev").Body.String()
	assert.Contains(t, page, `<p class="muted">60 members</p>`)
	assert.Contains(t, page, `rel="next"`)
	page = b.get("groups/dev?q=05").Body.String()
	assert.Contains(t, page, `<p class="muted">11 of 60 members</p>`)
	assert.Contains(t, page, "user:p005</a>")
	assert.NotContains(t, page, "user:p004</a>")
	page = b.get("groups/dev?q=ali").Body.String()
	assert.Contains(t, page, "No such member.")
	assert.Contains(t, page, `value="ali"`, "it can be mended")
	assert.NotContains(t, page, "Nobody is in this group.")
	page = b.post("groups/dev/members", "member", "user:nobody").Body.String()
	assert.Contains(t, page, `rel="next" href="/dockit/groups/dev?cursor=`, "the list goes on where a form was refused")
}

// TestPermissionsAreLookedAtBefore guards that a preview says for whom, and changes nothing.
func TestPermissionsAreLookedAtBefore(t *testing.T) {
	f := administrable(t)
	for _, member := range []string{"user:alice", "user:bob", "robot:ci"} {
		ref, err := subject.ParseRef(member)
		require.NoError(t, err)
		_, err = f.store.AddMember(t.Context(), subject.Ref{Kind: subject.Group, Name: "dev"}, ref)
		require.NoError(t, err)
	}
	f.grant("alice", "repository:team/**:push")
	b := f.signedIn("root")
	granting := "groups/dev/permissions/preview?permission=" + url.QueryEscape("repository:team/**:push")
	page := b.get(granting).Body.String()
	assert.Contains(t, page, "Adds pull and push for 1 person and 1 robot: user:bob, robot:ci.")
	assert.Contains(t, page, "For 1 nothing changes")
	assert.Contains(t, page, "dockit rbac grant group:dev &#39;repository:team/**:push&#39;")
	assert.Contains(t, b.get("groups/dev/permissions").Body.String(), "Nothing was given to it.")

	answer := b.post("groups/dev/permissions", "permission", "repository:team/**:push")
	require.Equal(t, "/dockit/groups/dev/permissions?done=permission-grant", answer.Header().Get("Location"), "body: %s", answer.Body)
	assert.Contains(t, b.get("users/bob/permissions").Body.String(), "repository:team/**:push")

	page = b.get(granting + "&do=revoke").Body.String()
	assert.Contains(t, page, "Takes pull and push from 1 person and 1 robot: user:bob, robot:ci.")
	assert.Contains(t, page, "would be left to group:dev")
	answer = b.post("groups/dev/permissions", "permission", "repository:team/**:push", "do", "revoke")
	require.Equal(t, "/dockit/groups/dev/permissions?done=permission-revoke", answer.Header().Get("Location"), "body: %s", answer.Body)
	assert.Contains(t, b.get("groups/dev/permissions").Body.String(), "Nothing was given to it.")

	for name, c := range map[string]struct {
		query  string
		status int
		says   string
	}{
		"no permission":  {"permission=team", http.StatusUnprocessableEntity, "write type:name:actions"},
		"not given":      {"permission=repository:x:pull&do=revoke", http.StatusNotFound, "has no permission"},
		"of nothing":     {"", http.StatusUnprocessableEntity, "write type:name:actions"},
		"unknown action": {"permission=repository:x:run", http.StatusUnprocessableEntity, "unknown action"},
	} {
		answer := b.get("users/bob/permissions/preview?" + c.query)
		assert.Equal(t, c.status, answer.Code, name)
		assert.Contains(t, answer.Body.String(), c.says, name)
		assert.Contains(t, answer.Body.String(), "See what it would do", "%s: the form is still there", name)
	}
}

func TestTokensOfARobot(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	assert.Contains(t, b.get("robots/ci/credentials").Body.String(), "dockit rbac token create robot:ci")
	answer := b.post("robots/ci/credentials", "name", "deploy", "scope", "all", "days", "30")
	require.Equal(t, http.StatusCreated, answer.Code, "body: %s", answer.Body)
	first := secretPattern.FindString(answer.Body.String())
	require.NotEmpty(t, first)
	assert.Contains(t, answer.Body.String(), "--username ci")
	assert.Contains(t, answer.Body.String(), `href="/dockit/robots/ci/credentials"`)
	page := b.get("robots/ci/credentials").Body.String()
	assert.NotContains(t, page, first, "it is shown once")
	id := regexp.MustCompile(`credentials/([a-z2-7]{12})/end`).FindStringSubmatch(page)[1]

	assert.Equal(t, http.StatusUnprocessableEntity, b.post("robots/ci/credentials/"+id+"/rotate").Code, "no grace was chosen")
	answer = b.post("robots/ci/credentials/"+id+"/rotate", "grace", "3600")
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	second := secretPattern.FindString(answer.Body.String())
	for _, secret := range []string{first, second} {
		_, err := f.auth.Authenticate(t.Context(), "ci", secret)
		require.NoError(t, err)
	}
	assert.Contains(t, b.get("robots/ci/credentials").Body.String(), "old secret until")

	assert.Contains(t, b.post("robots/ci/credentials", "scope", "some", "days", "30", "scopes", "x").Body.String(), "what it may do: ")
	require.Equal(t, http.StatusSeeOther, b.post("robots/ci/credentials/"+id+"/end").Code)
	_, err := f.auth.Authenticate(t.Context(), "ci", second)
	require.ErrorIs(t, err, auth.ErrInvalidCredentials)
	assert.Equal(t, http.StatusNotFound, b.post("robots/ci/credentials/"+id+"/end").Code)
}

func TestLoginsOfSomebodyElse(t *testing.T) {
	f := newFixture(t)
	bob, other := f.signedIn("bob"), f.signedIn("bob")
	b := f.signedIn("root")
	ids := f.logins("bob")
	require.Len(t, ids, 2)
	page := b.get("users/bob/credentials").Body.String()
	for _, id := range ids {
		assert.Contains(t, page, id)
	}
	require.Equal(t, http.StatusSeeOther, b.post("users/bob/logins/"+ids[0]+"/end").Code)
	assert.Len(t, f.logins("bob"), 1)
	require.Equal(t, http.StatusSeeOther, b.post("users/bob/logins/end").Code)
	assert.False(t, bob.isSignedIn() || other.isSignedIn())
	assert.Contains(t, b.get("users/bob/credentials").Body.String(), "logged in nowhere")
}

func TestUnusedTokens(t *testing.T) {
	f := administrable(t)
	used, _ := f.token("robot:ci", "used", "docker/29")
	unused, _ := f.token("user:alice", "idle", "")
	b := f.signedIn("root")
	all, never := b.get("tokens").Body.String(), b.get("tokens?unused=yes").Body.String()
	assert.Contains(t, all, used)
	assert.Contains(t, all, unused)
	assert.NotContains(t, never, used)
	assert.Contains(t, never, unused)
	answer := b.post("tokens/"+unused+"/end", "unused", "yes")
	assert.Equal(t, "/dockit/tokens?done=token-ended&unused=yes", answer.Header().Get("Location"), "body: %s", answer.Body)
	assert.Contains(t, b.get("tokens?unused=yes").Body.String(), "Every token was used.")
}

// TestPasswordOfSomebodyElse guards that the own password is asked for again, and that what was typed is not lost in between unnoticed.
func TestPasswordOfSomebodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		b := f.signedIn("root")
		const next = "another long password"
		assert.NotContains(t, b.get("users/bob/password").Body.String(), confirmField)
		time.Sleep(5 * time.Minute)
		assert.Contains(t, b.get("users/bob/password").Body.String(), confirmField)
		answer := b.post("users/bob/password", "new_password", next, "repeated_password", next)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		assert.Contains(t, answer.Body.String(), "takes your own password once more")
		assert.NotContains(t, answer.Body.String(), next)
		answer = b.post("users/bob/password", "new_password", next, "repeated_password", "x", confirmField, goodPassword)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		answer = b.post("users/bob/password", "new_password", next, "repeated_password", next)
		require.Equal(t, "/dockit/users/bob?done=password-set", answer.Header().Get("Location"), "body: %s", answer.Body)
		require.Equal(t, http.StatusSeeOther, f.browser().post("sign-in", "name", "bob", "password", next).Code)
		assert.Equal(t, "/dockit/password", b.get("users/root/password").Header().Get("Location"), "the own one has a page of its own")

		time.Sleep(5 * time.Minute)
		answer = b.post("users/bob/make-admin")
		assert.Equal(t, http.StatusForbidden, answer.Code)
		assert.Contains(t, answer.Body.String(), `action="/dockit/users/bob/make-admin"`)
		answer = b.post("users", "name", "carol", "admin", "yes", "new_password", next, "repeated_password", next)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		assert.Contains(t, answer.Body.String(), "takes your own password once more")
		answer = b.post("users", "name", "carol", "new_password", next, "repeated_password", next)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		assert.Contains(t, answer.Body.String(), "takes your own password once more")
		assert.Contains(t, answer.Body.String(), `name="confirm_password"`, "there is where to give it")
		assert.NotContains(t, answer.Body.String(), next)
		_, err := f.found("user:carol")
		require.ErrorIs(t, err, store.ErrNotFound)
		answer = b.post("users", "name", "erin", "new_password", "", "repeated_password", "")
		require.Equal(t, http.StatusSeeOther, answer.Code, "one without a password takes none: %s", answer.Body)
		answer = b.post("users/bob/credentials", "name", "x", "scope", "all", "days", "7")
		assert.Contains(t, answer.Body.String(), `name="scope" value="all"`, "it goes on from where it was")
		answer = b.post("users", "name", "carol", "new_password", next, "repeated_password", next, confirmField, goodPassword)
		require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
		require.Equal(t, http.StatusSeeOther, b.post("users/bob/make-admin").Code, "it was given just now")
		time.Sleep(5 * time.Minute)
		require.Equal(t, http.StatusSeeOther, b.post("users/bob/make-admin", confirmField, goodPassword).Code)
	})
}

// TestTakingOutGoesOnWithTheSearch guards that who takes some of many members out need not look for each anew, also when one of them
// is out already.
func TestTakingOutGoesOnWithTheSearch(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	for _, member := range []string{"user:alice", "user:bob"} {
		require.Equal(t, http.StatusSeeOther, b.post("groups/dev/members", "member", member).Code)
	}
	page := b.get("groups/dev?q=bo").Body.String()
	assert.Contains(t, page, `<input type="hidden" name="q" value="bo">`)
	assert.NotContains(t, b.get("groups/dev").Body.String(), `type="hidden" name="q"`)
	answer := b.post("groups/dev/members/remove", "member", "user:bob", "q", "bo")
	assert.Equal(t, "/dockit/groups/dev?done=member-removed&q=bo", answer.Header().Get("Location"), "body: %s", answer.Body)
	answer = b.post("groups/dev/members/remove", "member", "user:bob", "q", "bo")
	assert.Equal(t, http.StatusNotFound, answer.Code)
	assert.Contains(t, answer.Body.String(), `type="search" value="bo"`)
	assert.NotContains(t, answer.Body.String(), "user:alice</a>")
	answer = b.post("groups/dev/members/remove", "member", "user:alice")
	assert.Equal(t, "/dockit/groups/dev?done=member-removed", answer.Header().Get("Location"))
}
