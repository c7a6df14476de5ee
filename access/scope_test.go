package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseScopes(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []string
		want []Scope
	}{
		{name: "no parameter", in: nil},
		{name: "empty parameter", in: []string{"", "  "}},
		{name: "one", in: []string{"repository:team/app:pull,push"}, want: []Scope{{Repository, "team/app", Pull | Push}}},
		{
			name: "case 7 two parameters",
			in:   []string{"repository:a:pull", "repository:b:push"},
			want: []Scope{{Repository, "a", Pull}, {Repository, "b", Push}},
		},
		{
			name: "case 7 one spaced value",
			in:   []string{"repository:a:pull repository:b:push"},
			want: []Scope{{Repository, "a", Pull}, {Repository, "b", Push}},
		},
		{
			name: "case 7 mixed",
			in:   []string{" repository:a:pull  repository:b:push ", "repository:a:pull"},
			want: []Scope{{Repository, "a", Pull}, {Repository, "b", Push}},
		},
		{
			name: "merged in order of first appearance",
			in:   []string{"repository:b:pull repository:a:delete", "repository:b:pull,push"},
			want: []Scope{{Repository, "b", Pull | Push}, {Repository, "a", Delete}},
		},
		{name: "case 8 star", in: []string{"repository:a:*"}, want: []Scope{{Repository, "a", All}}},
		{name: "case 9 catalog", in: []string{"registry:catalog:*"}, want: []Scope{{Registry, "catalog", All}}},
		{name: "catalog with other actions", in: []string{"registry:catalog:pull registry:catalog:pull,push,delete registry:catalog:"}},
		{name: "another registry name", in: []string{"registry:all:* registry::*"}},
		{name: "case 10 empty name", in: []string{"repository::pull"}, want: []Scope{{Repository, "", Pull}}},
		{
			name: "case 11 class",
			in:   []string{"repository(plugin):a:pull,push repository:a:pull"},
			want: []Scope{{Repository, "a", Pull | Push}},
		},
		{name: "malformed class", in: []string{"repository(:a:pull repository():a:pull repository(x:a:pull repository(a)b:a:pull repository(a)(b):a:pull repository(ä):a:pull (repository):a:pull"}},
		{name: "case 12 host and port", in: []string{"repository:host:5000/a/b:pull"}, want: []Scope{{Repository, "host:5000/a/b", Pull}}},
		{name: "IPv6 host", in: []string{"repository:[::1]:5000/a:pull"}, want: []Scope{{Repository, "[::1]:5000/a", Pull}}},
		{
			name: "case 13 malformed beside good",
			in:   []string{"repository nonsense :: repository:a repository:a: : repository:good:pull repository:A:pull repository:a//b:pull"},
			want: []Scope{{Repository, "good", Pull}},
		},
		{
			name: "case 14 mount",
			in:   []string{"repository:target:pull,push", "repository:source:pull"},
			want: []Scope{{Repository, "target", Pull | Push}, {Repository, "source", Pull}},
		},
		{name: "unknown action beside a known one", in: []string{"repository:a:pull,metadata_read,,"}, want: []Scope{{Repository, "a", Pull}}},
		{name: "unknown actions only", in: []string{"repository:a:write repository:b:,"}},
		{name: "unknown type", in: []string{"namespace:a:pull artifact:a:pull :a:pull Repository:a:pull"}},
		{name: "wildcards in names", in: []string{"repository:*:pull repository:**:* repository:team/*:pull repository:{username}:pull repository:a*:pull"}},
		{name: "host without repository", in: []string{"repository:host:5000:pull"}},
		{name: "longest name", in: []string{"repository:" + strings.Repeat("a", 255) + ":pull"}, want: []Scope{{Repository, strings.Repeat("a", 255), Pull}}},
		{name: "name too long", in: []string{"repository:" + strings.Repeat("a", 256) + ":pull"}},
		{name: "other white space does not separate", in: []string{"repository:a:pull\trepository:b:pull", "repository:a\n:pull"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseScopes(tc.in)
			require.NoError(t, err, "ParseScopes(%q)", tc.in)
			require.Equal(t, tc.want, got, "ParseScopes(%q)", tc.in)
		})
	}
}

func TestParseScopesIsBounded(t *testing.T) {
	repeat := func(scope string, n int) []string { return slices.Repeat([]string{scope}, n) }
	for _, tc := range []struct {
		name string
		in   []string
		err  error
	}{
		{name: "as many as allowed", in: repeat("repository:a:pull", MaxScopes)},
		{name: "one more", in: repeat("repository:a:pull", MaxScopes+1), err: ErrTooManyScopes},
		{name: "one more in one value", in: []string{strings.Join(repeat("repository:a:pull", MaxScopes+1), " ")}, err: ErrTooManyScopes},
		{name: "malformed ones count", in: repeat("nonsense", MaxScopes+1), err: ErrTooManyScopes},
		{name: "empty values do not count", in: repeat("", 10*MaxScopes)},
		{name: "case 29 a thousand", in: repeat("repository:a:pull repository:b:pull", 500), err: ErrTooManyScopes},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseScopes(tc.in)
			require.ErrorIs(t, err, tc.err)
			if err != nil {
				require.Nil(t, got, "beside an error")
			}
		})
	}
}

func TestScopeText(t *testing.T) {
	for _, tc := range []struct {
		scope Scope
		list  []string
		text  string
	}{
		{Scope{Repository, "a", All}, []string{"pull", "push", "delete"}, "repository:a:pull,push,delete"},
		{Scope{Repository, "host:5000/a", Pull}, []string{"pull"}, "repository:host:5000/a:pull"},
		{Scope{Registry, "catalog", All}, []string{"*"}, "registry:catalog:*"},
	} {
		got := tc.scope.ActionList()
		assert.Equal(t, tc.list, got, "ActionList() of %v", tc.scope)
		assert.Equal(t, tc.text, tc.scope.String(), "String()")
	}
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{
		"repository:a:pull", "repository:a:pull,push repository:b:*", "registry:catalog:*", "repository::pull",
		"repository(plugin):a:pull", "repository:host:5000/a/b:pull", "repository:*:*", "::: : repository:::pull",
		"repository:[::1]/a:delete", strings.Repeat("repository:a:pull ", 65),
	} {
		f.Add(seed, "repository:b:pull")
	}
	everything := NewRights("alice", []Permission{{Repository, "**", All}, Catalog})
	f.Fuzz(func(t *testing.T, first, second string) {
		values := []string{first, second}
		scopes, err := ParseScopes(values)
		if err != nil {
			require.ErrorIs(t, err, ErrTooManyScopes, "ParseScopes")
			return
		}
		seen := map[[2]string]bool{}
		for _, scope := range scopes {
			key := [2]string{string(scope.Type), scope.Name}
			require.False(t, seen[key], "%q stands twice", key)
			seen[key] = true
			again, err := ParseScopes([]string{scope.String()})
			require.NoError(t, err)
			require.Equal(t, []Scope{scope}, again)
		}
		for _, granted := range [][]Scope{everything.Grant(scopes), everything.GrantZot(scopes)} {
			for _, scope := range granted {
				require.False(t, strings.ContainsAny(scope.Name, "*{}"), "granted a wildcard: %v", scope)
				if !slices.Contains(scopes, scope) {
					require.Equal(t, Scope{Repository, "", Pull}, scope, "granted, which nobody asked for")
				}
			}
		}
	})
}
