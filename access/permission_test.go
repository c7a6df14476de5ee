package access

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePermission(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want Permission
		// text is the canonical form where it differs from the input.
		text string
	}{
		{name: "repository", in: "repository:team/app:push", want: Permission{Repository, "team/app", Push}},
		{name: "order of actions", in: "repository:a:delete,pull", want: Permission{Repository, "a", Pull | Delete}, text: "repository:a:pull,delete"},
		{name: "all actions", in: "repository:a:pull,push,delete", want: Permission{Repository, "a", All}, text: "repository:a:*"},
		{name: "everything", in: "repository:**:*", want: Permission{Repository, "**", All}},
		{name: "wildcards within", in: "repository:team-*/*-app/a*b*c:pull", want: Permission{Repository, "team-*/*-app/a*b*c", Pull}},
		{name: "deep within", in: "repository:a/**/b/**:pull", want: Permission{Repository, "a/**/b/**", Pull}},
		{name: "username", in: "repository:{username}/**:push", want: Permission{Repository, "{username}/**", Push}},
		{name: "username within", in: "repository:home/u-{username}:push", want: Permission{Repository, "home/u-{username}", Push}},
		{name: "host and port", in: "repository:host:5000/team/*:pull", want: Permission{Repository, "host:5000/team/*", Pull}},
		{name: "any port", in: "repository:*.example.com:*/**:pull", want: Permission{Repository, "*.example.com:*/**", Pull}},
		{name: "namespace", in: "namespace:team:push", want: Permission{Namespace, "team", Push}},
		{name: "namespace of a host", in: "namespace:host:5000:push", want: Permission{Namespace, "host:5000", Push}},
		{name: "namespace of everyone", in: "namespace:home/{username}:*", want: Permission{Namespace, "home/{username}", All}},
		{name: "namespace with wildcards", in: "namespace:team-*:*", want: Permission{Namespace, "team-*", All}},
		{name: "catalog", in: "registry:catalog:*", want: Catalog},
		{name: "longest", in: "repository:" + strings.Repeat("a", 256) + ":pull", want: Permission{Repository, strings.Repeat("a", 256), Pull}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParsePermission(tc.in)
			require.NoError(t, err, "ParsePermission(%q)", tc.in)
			require.Equal(t, tc.want, got, "ParsePermission(%q)", tc.in)
			text := tc.text
			if text == "" {
				text = tc.in
			}
			assert.Equal(t, text, got.String())
			assert.NoError(t, got.Validate(), "Validate()")
		})
	}
}

func TestParsePermissionSaysWhatToWrite(t *testing.T) {
	for _, tc := range []struct {
		name, in, fault string
	}{
		{name: "empty", in: "", fault: "write type:name:actions"},
		{name: "a name alone", in: "team/app", fault: "write type:name:actions"},
		{name: "no actions", in: "repository:team/app", fault: "the actions are missing"},
		{name: "no name", in: "repository:pull,push", fault: "the name is missing"},
		{name: "unknown type", in: "repo:team/app:pull", fault: `unknown type "repo": use repository, namespace or registry`},
		{name: "type with a class", in: "repository(plugin):a:pull", fault: "unknown type"},
		{name: "empty name", in: "repository::pull", fault: "the name is empty"},
		{name: "empty actions", in: "repository:a:", fault: "none given"},
		{name: "unknown action", in: "repository:a:pull,write", fault: `unknown action "write": use pull, push, delete or *`},
		{name: "actions forgotten after a port", in: "repository:host:5000/a", fault: `unknown action "5000/a"`},
		{name: "upper case", in: "repository:Team/app:pull", fault: `"Team" has upper-case letters: write "team"`},
		{name: "upper case beside a wildcard", in: "repository:Team-*:pull", fault: `"Team-*" has upper-case letters: write "team-*"`},
		{name: "leading slash", in: "repository:/a:pull", fault: "a component is empty"},
		{name: "trailing slash", in: "namespace:team/:pull", fault: "a component is empty"},
		{name: "doubled slash", in: "repository:a//b:pull", fault: "a component is empty"},
		{name: "parent", in: "repository:a/..:pull", fault: "not a file path"},
		{name: "two stars within", in: "repository:team**:pull", fault: `in "team**" ** does not stand alone`},
		{name: "three stars", in: "repository:***:pull", fault: `in "***" ** does not stand alone`},
		{name: "unknown placeholder", in: "repository:{user}/a:pull", fault: "only {username} is known"},
		{name: "half a placeholder", in: "repository:{username/a:pull", fault: "only {username} is known"},
		{name: "question mark", in: "repository:a?:pull", fault: `"a?" is no component`},
		{name: "question mark and upper case", in: "repository:A?:pull", fault: `"A?" is no component`},
		{name: "control character", in: "repository:a\n:pull", fault: "is no component"},
		{name: "separator last", in: "repository:a-:pull", fault: "is no component"},
		{name: "host alone", in: "repository:host:5000:pull", fault: "write host:5000/**"},
		{name: "port below", in: "repository:a/host:5000:pull", fault: "has the tag"},
		{name: "too long", in: "repository:" + strings.Repeat("a", 257) + ":pull", fault: "257 bytes long, at most 256"},
		{name: "long and not ASCII", in: "x" + strings.Repeat("ä", 5_000) + ":a:pull", fault: "unknown type"},
		{name: "another registry name", in: "registry:all:*", fault: "write registry:catalog:*"},
		{name: "other catalog actions", in: "registry:catalog:pull", fault: "write registry:catalog:*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParsePermission(tc.in)
			require.ErrorIs(t, err, ErrInvalidPermission, "ParsePermission(%q) = %v", tc.in, got)
			require.Equal(t, Permission{}, got, "ParsePermission(%q)", tc.in)
			require.ErrorContains(t, err, tc.fault)
			assert.LessOrEqual(t, len(err.Error()), 600, "error is %d bytes long", len(err.Error()))
			assert.NotContains(t, err.Error(), `\x`, "error is %q, which holds half a character", err)
		})
	}
}

func TestPermissionValidate(t *testing.T) {
	for _, p := range []Permission{
		{},
		{Repository, "a", 0},
		{Repository, "a", 8},
		{Repository, "a", 255},
		{Registry, "catalog", Pull},
		{"", "a", Pull},
	} {
		err := p.Validate()
		assert.ErrorIs(t, err, ErrInvalidPermission, "Validate() of %#v", p)
	}
}

func TestPermissionAsJSON(t *testing.T) {
	want := map[string]Permission{"permission": {Namespace, "team", Push}}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.JSONEq(t, `{"permission":"namespace:team:push"}`, string(text))
	var got map[string]Permission
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, want["permission"], got["permission"])
	require.ErrorIs(t, json.Unmarshal([]byte(`{"permission":"team"}`), &got), ErrInvalidPermission, "json.Unmarshal of a bad one")
}

func FuzzParsePermission(f *testing.F) {
	for _, seed := range []string{
		"repository:team/*:push", "namespace:team:push", "registry:catalog:*", "repository:**/a/**:*",
		"repository:{username}/**:pull,delete", "repository:host:5000/a:pull", "repository:[::1]:5000/a:pull",
		"repository::pull", "::", "", "repository:a**:pull", "repository:{{username}}:pull",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePermission(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalidPermission, "ParsePermission(%q)", s)
			return
		}
		require.NoError(t, p.Validate(), "ParsePermission(%q) is not valid", s)
		again, err := ParsePermission(p.String())
		require.NoError(t, err, "ParsePermission(%q)", s)
		require.Equal(t, p, again, "ParsePermission(%q)", s)
	})
}
