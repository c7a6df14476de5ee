package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
)

func TestGrantMergesAndRevokeLeavesTheRest(t *testing.T) {
	f := populated(t)
	assert.JSONEq(t, `{"permission":"repository:team/*:pull"}`, string(f.do("POST", "/users/bob/permissions", `{"permission":"repository:team/*:pull"}`).body))
	assert.JSONEq(t, `{"permission":"repository:team/*:pull,delete"}`, string(f.do("POST", "/users/bob/permissions", `{"permission":"repository:team/*:delete"}`).body))
	assert.JSONEq(t, `{"remaining":"repository:team/*:delete"}`, string(f.do("DELETE", "/users/bob/permissions?permission="+url.QueryEscape("repository:team/*:pull"), "").body))
	assert.JSONEq(t, `{}`, string(f.do("DELETE", "/users/bob/permissions?permission="+url.QueryEscape("repository:team/*:*"), "").body))
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/users/bob/permissions?permission="+url.QueryEscape("repository:team/*:*"), "").StatusCode)
}

func TestPullStaysWithPush(t *testing.T) {
	f := populated(t)
	require.Equal(t, http.StatusOK, f.do("POST", "/users/bob/permissions", `{"permission":"repository:team/*:push"}`).StatusCode)
	got := f.do("DELETE", "/users/bob/permissions?permission="+url.QueryEscape("repository:team/*:pull"), "")
	assert.Equal(t, http.StatusConflict, got.StatusCode)
	assert.Equal(t, adminapi.CodeIncluded, got.problem(t).Code)
	assert.Contains(t, got.problem(t).Detail, "revoke push as well")
}

func TestBuiltInSubjectsTakePermissions(t *testing.T) {
	f := newFixture(t)
	assert.Equal(t, http.StatusOK, f.do("POST", "/users/anonymous/permissions", `{"permission":"namespace:public:pull"}`).StatusCode)
	assert.Equal(t, http.StatusOK, f.do("POST", "/groups/authenticated/permissions", `{"permission":"namespace:{username}:*"}`).StatusCode)
	assert.JSONEq(t, `{"items":[
		{"via":"group:authenticated","permission":"namespace:{username}:*"},
		{"via":"user:anonymous","permission":"namespace:public:pull"}]}`,
		string(f.do("GET", "/users/root/effective-permissions", "").body))
}

func TestEffectivePermissionsArePaged(t *testing.T) {
	f := populated(t)
	for n := range 12 {
		for _, owner := range []string{"/users/bob", "/groups/dev", "/groups/authenticated", "/users/anonymous"} {
			require.Equal(t, http.StatusOK, f.do("POST", owner+"/permissions", fmt.Sprintf(`{"permission":"repository:r%d:pull"}`, n)).StatusCode)
		}
	}
	seen := map[adminapi.EffectivePermission]int{}
	cursor := ""
	for pages := 0; ; pages++ {
		require.Less(t, pages, 8)
		var page adminapi.List[adminapi.EffectivePermission]
		f.do("GET", "/users/bob/effective-permissions?limit=7&cursor="+cursor, "").decode(t, &page)
		for _, e := range page.Items {
			seen[e]++
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	assert.Len(t, seen, 4*12+2)
	for e, times := range seen {
		assert.Equal(t, 1, times, "%v", e)
	}
}

func TestDecisions(t *testing.T) {
	f := populated(t)
	for _, grant := range []struct{ owner, permission string }{
		{"/users/bob", "repository:team/app:pull"},
		{"/groups/dev", "namespace:team:push"},
		{"/groups/authenticated", "repository:home/{username}/**:*"},
		{"/users/anonymous", "repository:public/*:pull"},
		{"/users/bob", "registry:catalog:*"},
	} {
		require.Equal(t, http.StatusOK, f.do("POST", grant.owner+"/permissions", `{"permission":"`+grant.permission+`"}`).StatusCode)
	}
	for name, c := range map[string]struct {
		path    string
		allowed bool
		missing []string
		because []string
	}{
		"own and group":         {"/users/bob/can?name=team/app&actions=pull", true, nil, []string{"group:dev namespace:team:push", "user:bob repository:team/app:pull"}},
		"group":                 {"/users/bob/can?name=team/other&actions=pull,push", true, nil, []string{"group:dev namespace:team:push"}},
		"partly":                {"/users/bob/can?name=team/app&actions=*", false, []string{"delete"}, []string{"group:dev namespace:team:push", "user:bob repository:team/app:pull"}},
		"username":              {"/users/bob/can?name=home/bob/x&actions=delete", true, nil, []string{"group:authenticated repository:home/{username}/**:*"}},
		"another's name":        {"/users/bob/can?name=home/alice/x&actions=pull", false, []string{"pull"}, []string{}},
		"everyone":              {"/users/bob/can?name=public/x&actions=pull", true, nil, []string{"user:anonymous repository:public/*:pull"}},
		"anonymous":             {"/users/anonymous/can?name=public/x&actions=pull", true, nil, []string{"user:anonymous repository:public/*:pull"}},
		"anonymous has no home": {"/users/anonymous/can?name=home/anonymous/x&actions=pull", false, []string{"pull"}, []string{}},
		"group itself":          {"/groups/dev/can?name=team/x&actions=push", true, nil, []string{"group:dev namespace:team:push"}},
		"catalog":               {"/users/bob/can?type=registry&name=catalog&actions=*", true, nil, []string{"user:bob registry:catalog:*"}},
		"robot without":         {"/robots/ci/can?type=registry&name=catalog&actions=*", false, []string{"pull", "push", "delete"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do("GET", c.path, "")
			require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
			var d adminapi.Decision
			got.decode(t, &d)
			assert.Equal(t, c.allowed, d.Allowed)
			assert.Equal(t, c.missing, d.Missing)
			because := make([]string, 0, len(d.Because))
			for _, e := range d.Because {
				because = append(because, e.Via.String()+" "+e.Permission.String())
			}
			assert.ElementsMatch(t, c.because, because)
		})
	}
}

func TestNobodyDisabledMayDoAnything(t *testing.T) {
	f := populated(t)
	require.Equal(t, http.StatusOK, f.do("PATCH", "/users/bob", `{"disabled":true}`).StatusCode)
	var d adminapi.Decision
	f.do("GET", "/users/bob/can?name=held&actions=pull", "").decode(t, &d)
	assert.False(t, d.Allowed)
	assert.True(t, d.Disabled)
}

func TestNearestPermission(t *testing.T) {
	f := populated(t)
	for _, grant := range []struct{ owner, permission string }{
		{"/users/bob", "repository:team/app:pull"},
		{"/groups/dev", "repository:team/*:push"},
		{"/groups/dev", "namespace:foo:*"},
		{"/groups/authenticated", "repository:home/{username}/**:*"},
		{"/users/bob", "registry:catalog:*"},
		{"/users/bob", "repository:shop/app/web:pull"},
		{"/users/bob", "repository:shop/cart/api:pull"},
	} {
		require.Equal(t, http.StatusOK, f.do("POST", grant.owner+"/permissions", `{"permission":"`+grant.permission+`"}`).StatusCode)
	}
	for name, c := range map[string]struct{ path, nearest, reason, grant string }{
		"other actions":    {"/users/bob/can?name=team/app&actions=push,delete", "repository:team/*:push", "allows pull, push only, not delete", "repository:team/app:delete"},
		"too deep":         {"/users/bob/can?name=team/app/debug&actions=pull", "repository:team/*:push", "** takes any number", "repository:team/app/debug:pull"},
		"not a prefix":     {"/users/bob/can?name=foobar/x&actions=pull", "namespace:foo:*", "does not cover foobar/x", "repository:foobar/x:pull"},
		"another's home":   {"/users/bob/can?name=home/alice/x&actions=pull", "repository:home/{username}/**:*", "does not cover", "repository:home/alice/x:pull"},
		"components count": {"/users/bob/can?name=shop/cart/web&actions=pull", "repository:shop/cart/api:pull", "does not cover", "repository:shop/cart/web:pull"},
		"nothing similar":  {"/users/bob/can?name=zzz&actions=pull", "", "", "repository:zzz:pull"},
		"no catalog":       {"/robots/ci/can?type=registry&name=catalog&actions=*", "", "", "registry:catalog:*"},
		"allowed":          {"/users/bob/can?name=team/app&actions=push", "", "", ""},
		"robot, authentic": {"/robots/ci/can?name=home/bob/x&actions=pull", "repository:home/{username}/**:*", "does not cover", "repository:home/bob/x:pull"},
	} {
		t.Run(name, func(t *testing.T) {
			var d adminapi.Decision
			f.do("GET", c.path, "").decode(t, &d)
			if c.nearest == "" {
				assert.Nil(t, d.Nearest)
			} else if assert.NotNil(t, d.Nearest) {
				assert.Equal(t, c.nearest, d.Nearest.Permission.String())
				assert.Contains(t, d.Nearest.Reason, c.reason)
			}
			if c.grant == "" {
				assert.Nil(t, d.Grant)
			} else if assert.NotNil(t, d.Grant) {
				assert.Equal(t, c.grant, d.Grant.String())
			}
		})
	}
}

func TestTheSuggestedGrantHelps(t *testing.T) {
	f := populated(t)
	for _, path := range []string{"/users/bob/can?name=team/app&actions=push,delete", "/robots/ci/can?type=registry&name=catalog&actions=*", "/groups/dev/can?name=a&actions=pull"} {
		var d adminapi.Decision
		f.do("GET", path, "").decode(t, &d)
		require.False(t, d.Allowed)
		owner, _, _ := strings.Cut(path, "/can?")
		require.Equal(t, http.StatusOK, f.do("POST", owner+"/permissions", `{"permission":"`+d.Grant.String()+`"}`).StatusCode)
		f.do("GET", path, "").decode(t, &d)
		assert.True(t, d.Allowed, path)
	}
}

func TestHoldersOfARepository(t *testing.T) {
	f := populated(t)
	for path, permission := range map[string]string{
		"/users/bob": "repository:team/*:push", "/groups/dev": "namespace:team:pull", "/robots/ci": "repository:team/app:delete",
		"/groups/authenticated": "repository:{username}/**:pull", "/users/anonymous": "repository:other:pull",
	} {
		require.Equal(t, http.StatusOK, f.do("POST", path+"/permissions", `{"permission":"`+permission+`"}`).StatusCode)
	}
	require.Equal(t, http.StatusOK, f.do("PATCH", "/robots/ci", `{"disabled":true}`).StatusCode)
	assert.JSONEq(t, `{"items":[
		{"subject":"group:authenticated","permission":"repository:{username}/**:pull","actions":["pull"]},
		{"subject":"group:dev","permission":"namespace:team:pull","actions":["pull"]},
		{"subject":"robot:ci","disabled":true,"permission":"repository:team/app:delete","actions":["delete"]},
		{"subject":"user:bob","permission":"repository:team/*:push","actions":["pull","push"]}]}`,
		string(f.do("GET", "/permissions?repository=team/app", "").body))
	assert.JSONEq(t, `{"items":[{"subject":"user:bob","permission":"repository:team/*:push","actions":["pull","push"]}]}`,
		string(f.do("GET", "/permissions?repository=team/app&actions=push,pull", "").body))

	var seen []string
	for cursor := ""; ; {
		var page adminapi.List[adminapi.Holder]
		require.NoError(t, json.Unmarshal(f.do("GET", "/permissions?repository=team/app&limit=1&cursor="+cursor, "").body, &page))
		for _, h := range page.Items {
			seen = append(seen, h.Subject.String())
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	assert.Equal(t, []string{"group:authenticated", "group:dev", "robot:ci", "user:bob"}, seen)

	for query, want := range map[string]string{"repository=Team/app": "upper-case", "repository=a&actions=write": "unknown action", "repository=": "missing"} {
		got := f.do("GET", "/permissions?"+query, "")
		assert.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, query)
		assert.Contains(t, string(got.body), want, query)
	}
}
