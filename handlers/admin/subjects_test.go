package admin

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

func TestCreateUser(t *testing.T) {
	f := newFixture(t)
	got := f.do("POST", "/users", `{"name":"alice","password":"correct horse battery","admin":true}`)
	require.Equal(t, http.StatusCreated, got.StatusCode, "body: %s", got.body)
	assert.Equal(t, "/dockit/api/v1/users/alice", got.Header.Get("Location"))
	assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	var created adminapi.Subject
	got.decode(t, &created)
	assert.Equal(t, user("alice"), created.Ref())
	assert.True(t, created.Admin)
	assert.True(t, created.HasPassword)
	assert.NotContains(t, string(got.body), "argon2", "a hash is a secret")

	as := func(r *http.Request) { r.SetBasicAuth("alice", "correct horse battery") }
	assert.Equal(t, http.StatusOK, f.do("GET", "/users/alice", "", as).StatusCode, "the new admin logs in")
}

func TestCreateUserWithHash(t *testing.T) {
	f := newFixture(t)
	const hash = "$2y$05$abcdefghijklmnopqrstuuAsXrx6KgBb8h0FPZqjbGoXlPp/rPrWS"
	require.NoError(t, password.ValidHash(hash))
	assert.Equal(t, http.StatusCreated, f.do("POST", "/users", `{"name":"alice","password_hash":"`+hash+`"}`).StatusCode)
	login, err := f.store.Login(t.Context(), "alice")
	require.NoError(t, err)
	assert.Equal(t, hash, login.PasswordHash)
}

func TestConditionalChanges(t *testing.T) {
	f := populated(t)
	read := f.do("GET", "/users/bob", "")
	tag := read.Header.Get("ETag")
	require.NotEmpty(t, tag)

	changed := f.do("PATCH", "/users/bob", `{"disabled":true}`, ifMatch(tag))
	require.Equal(t, http.StatusOK, changed.StatusCode)
	assert.NotEqual(t, tag, changed.Header.Get("ETag"))

	for name, request := range map[string]answer{
		"change":   f.do("PATCH", "/users/bob", `{"disabled":false}`, ifMatch(tag)),
		"password": f.do("PUT", "/users/bob/password", `{"password":"another long password"}`, ifMatch(tag)),
		"removal":  f.do("DELETE", "/users/bob", "", ifMatch(tag)),
		"nonsense": f.do("DELETE", "/users/bob", "", ifMatch("yesterday")),
		"weak tag": f.do("DELETE", "/users/bob", "", ifMatch("W/"+tag)),
		"zero":     f.do("DELETE", "/users/bob", "", ifMatch(`"0"`)),
	} {
		assert.Equal(t, http.StatusPreconditionFailed, request.StatusCode, name)
		assert.Equal(t, adminapi.CodeStale, request.problem(t).Code, name)
	}
	assert.Equal(t, changed.Header.Get("ETag"), f.do("GET", "/users/bob", "").Header.Get("ETag"), "nothing was changed")
	assert.Equal(t, http.StatusOK, f.do("PATCH", "/users/bob", `{}`, ifMatch("*")).StatusCode)
}

func TestASubjectMadeAgainIsAnother(t *testing.T) {
	f := populated(t)
	tag := f.do("GET", "/robots/ci", "").Header.Get("ETag")
	require.Equal(t, http.StatusNoContent, f.do("DELETE", "/robots/ci", "").StatusCode)
	require.Equal(t, http.StatusCreated, f.do("POST", "/robots", `{"name":"ci"}`).StatusCode)
	assert.Equal(t, http.StatusPreconditionFailed, f.do("DELETE", "/robots/ci", "", ifMatch(tag)).StatusCode)
}

func TestDisabledAdminIsOutAtOnce(t *testing.T) {
	f := populated(t)
	f.create(store.NewSubject{Ref: user("second"), Admin: true})
	as := func(r *http.Request) { r.SetBasicAuth("second", goodPassword) }
	require.Equal(t, http.StatusOK, f.do("GET", "/users", "", as).StatusCode)
	require.Equal(t, http.StatusOK, f.do("PATCH", "/users/second", `{"disabled":true}`).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", as).StatusCode)
}

func TestPagesHoldEverySubjectOnce(t *testing.T) {
	f := newFixture(t)
	for n := range 25 {
		f.create(store.NewSubject{Ref: robot(fmt.Sprintf("ci-%02d", n))})
	}
	f.create(store.NewSubject{Ref: robot("other")})
	var names []string
	path := "/robots?limit=10&prefix=ci-"
	for pages := 0; ; pages++ {
		require.Less(t, pages, 4)
		var page adminapi.List[adminapi.Subject]
		f.do("GET", path, "").decode(t, &page)
		for _, s := range page.Items {
			names = append(names, s.Name)
		}
		if page.NextCursor == "" {
			break
		}
		assert.Len(t, page.Items, 10)
		path = "/robots?limit=10&prefix=ci-&cursor=" + page.NextCursor
	}
	require.Len(t, names, 25)
	for n, name := range names {
		assert.Equal(t, fmt.Sprintf("ci-%02d", n), name)
	}
}

func TestListsAreFiltered(t *testing.T) {
	f := populated(t)
	for query, expected := range map[string][]string{
		"?admin=true":                {"off", "root"},
		"?admin=false":               {"alice", "anonymous", "bob"},
		"?disabled=true":             {"off"},
		"?disabled=false&admin=true": {"root"},
		"?prefix=a&admin=false":      {"alice", "anonymous"},
		"?q=o":                       {"anonymous", "bob", "off", "root"},
		"?q=Off":                     {"off"},
		"?q=o&prefix=a":              {"anonymous"},
		"?q=_":                       nil,
	} {
		var page adminapi.List[adminapi.Subject]
		f.do("GET", "/users"+query, "").decode(t, &page)
		var names []string
		for _, s := range page.Items {
			names = append(names, s.Name)
		}
		assert.Equal(t, expected, names, query)
	}
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("GET", "/users?admin=perhaps", "").StatusCode)
}

// TestListsSayHowManyThereAre guards the count of all pages together, which costs nothing where it was not asked for.
func TestListsSayHowManyThereAre(t *testing.T) {
	f := populated(t)
	f.create(store.NewSubject{Ref: group("some")})
	for _, member := range []string{"user:alice", "user:bob", "user:off"} {
		require.Equal(t, http.StatusCreated, f.do("PUT", "/groups/some/members/"+member, "").StatusCode)
	}
	for path, want := range map[string]int{
		"/users?total=true": 5, "/users?total=true&limit=2": 5, "/users?total=true&q=o": 4, "/users?total=true&q=o&limit=1": 4, "/users?total=true&q=zzz": 0,
		"/users?total=true&admin=true&limit=1": 2, "/robots?total=true&q=zzz": 0,
		"/groups/some/members?total=true": 3, "/groups/some/members?total=true&limit=1": 3,
		"/groups/some/members?total=true&limit=1&q=o": 2, "/groups/some/members?total=true&q=B": 1,
	} {
		var page adminapi.List[adminapi.Subject]
		f.do("GET", path, "").decode(t, &page)
		require.NotNil(t, page.Total, path)
		assert.Equal(t, want, *page.Total, path)
		if page.NextCursor != "" {
			f.do("GET", path+"&cursor="+page.NextCursor, "").decode(t, &page)
			assert.Equal(t, want, *page.Total, "%s, on the next page", path)
		}
	}
	var page adminapi.List[adminapi.Subject]
	f.do("GET", "/users", "").decode(t, &page)
	assert.Nil(t, page.Total)
	assert.Equal(t, store.MaxCounted, adminapi.MaxCounted)
}

func TestEmptyListsAreLists(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/robots", "/users/root/groups", "/users/root/permissions", "/users/root/effective-permissions", "/groups/authenticated/members"} {
		assert.JSONEq(t, `{"items":[]}`, string(f.do("GET", path, "").body), path)
	}
}

func TestMembers(t *testing.T) {
	f := populated(t)
	assert.Equal(t, http.StatusCreated, f.do("PUT", "/groups/dev/members/robot:ci", "").StatusCode)
	assert.Equal(t, http.StatusNoContent, f.do("PUT", "/groups/dev/members/robot:ci", "").StatusCode, "once more changes nothing")
	var members adminapi.List[adminapi.Subject]
	f.do("GET", "/groups/dev/members", "").decode(t, &members)
	require.Len(t, members.Items, 2)
	assert.Equal(t, user("bob"), members.Items[0].Ref())
	assert.Equal(t, robot("ci"), members.Items[1].Ref())

	var groups adminapi.List[adminapi.Subject]
	f.do("GET", "/robots/ci/groups", "").decode(t, &groups)
	require.Len(t, groups.Items, 1)
	assert.Equal(t, group("dev"), groups.Items[0].Ref())

	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/groups/dev/members/robot:ci", "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/groups/dev/members/robot:ci", "").StatusCode)
}
