package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/accesstest"
)

func permissions(t testing.TB, texts ...string) []Permission {
	t.Helper()
	parsed := make([]Permission, len(texts))
	for i, text := range texts {
		var err error
		parsed[i], err = ParsePermission(text)
		require.NoError(t, err)
	}
	return parsed
}

func texts(scopes []Scope) []string {
	var list []string
	for _, scope := range scopes {
		list = append(list, scope.String())
	}
	return list
}

func TestGrant(t *testing.T) {
	for _, tc := range []struct {
		name  string
		given []string
		asked []string
		want  []string
	}{
		{name: "nothing given", asked: []string{"repository:a:pull registry:catalog:*"}},
		{name: "nothing asked", given: []string{"repository:**:*"}},
		{
			name:  "case 6 pull of pull and push",
			given: []string{"repository:a:pull"},
			asked: []string{"repository:a:pull,push"},
			want:  []string{"repository:a:pull"},
		},
		{
			name:  "case 8 star is what was given",
			given: []string{"repository:a:pull,delete"},
			asked: []string{"repository:a:*"},
			want:  []string{"repository:a:pull,delete"},
		},
		{
			name:  "case 8 star of everything",
			given: []string{"repository:**:*"},
			asked: []string{"repository:a:*"},
			want:  []string{"repository:a:pull,push,delete"},
		},
		{
			name:  "case 9 catalog given",
			given: []string{"registry:catalog:*"},
			asked: []string{"registry:catalog:*"},
			want:  []string{"registry:catalog:*"},
		},
		{
			name:  "case 9 catalog not given",
			given: []string{"repository:**:*", "repository:catalog:*"},
			asked: []string{"registry:catalog:*"},
		},
		{
			name:  "case 10 empty name",
			given: []string{"repository:**:*", "registry:catalog:*"},
			asked: []string{"repository::pull"},
		},
		{
			name:  "case 11 class",
			given: []string{"repository:a:push"},
			asked: []string{"repository(plugin):a:pull,push repository:a:pull"},
			want:  []string{"repository:a:pull,push"},
		},
		{
			name:  "case 14 mount with an unreadable source",
			given: []string{"repository:target:push"},
			asked: []string{"repository:target:pull,push", "repository:source:pull"},
			want:  []string{"repository:target:pull,push"},
		},
		{
			name:  "case 15 push alone",
			given: []string{"repository:a:push"},
			asked: []string{"repository:a:push"},
			want:  []string{"repository:a:push"},
		},
		{
			name:  "push includes pull",
			given: []string{"repository:a:push"},
			asked: []string{"repository:a:pull"},
			want:  []string{"repository:a:pull"},
		},
		{
			name:  "case 16 delete is not in push",
			given: []string{"repository:a:push"},
			asked: []string{"repository:a:delete"},
		},
		{
			name:  "case 16 delete given",
			given: []string{"repository:a:delete"},
			asked: []string{"repository:a:delete,pull"},
			want:  []string{"repository:a:delete"},
		},
		{
			name:  "case 17 namespaces are no prefixes",
			given: []string{"namespace:a:pull"},
			asked: []string{"repository:a/b/c:pull repository:ab/c:pull repository:a:pull"},
			want:  []string{"repository:a/b/c:pull", "repository:a:pull"},
		},
		{
			name:  "mistake: pull asked, push granted too",
			given: []string{"repository:**:*"},
			asked: []string{"repository:a:pull"},
			want:  []string{"repository:a:pull"},
		},
		{
			name:  "mistake: rights on foo open foobar",
			given: []string{"namespace:foo:*", "repository:foo:*", "repository:foo/*:*"},
			asked: []string{"repository:foobar/x:pull"},
		},
		{
			name:  "mistake: names echoed with wildcards",
			given: []string{"repository:**:*"},
			asked: []string{"repository:*:pull repository:**:* repository:team/*:*"},
		},
		{
			name:  "permissions add up",
			given: []string{"repository:a:pull", "namespace:a:delete", "repository:*:push"},
			asked: []string{"repository:a:*"},
			want:  []string{"repository:a:pull,push,delete"},
		},
		{
			name:  "asked order stays",
			given: []string{"repository:**:pull"},
			asked: []string{"repository:b:pull repository:a:pull", "repository:b:push"},
			want:  []string{"repository:b:pull", "repository:a:pull"},
		},
		{
			name:  "username",
			given: []string{"namespace:home/{username}:*"},
			asked: []string{"repository:home/alice/x:push repository:home/bob/x:push"},
			want:  []string{"repository:home/alice/x:push"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked, err := ParseScopes(tc.asked)
			require.NoError(t, err)
			before := slices.Clone(asked)
			got := NewRights("alice", permissions(t, tc.given...)).Grant(asked)
			require.NotNil(t, got)
			assert.Equal(t, tc.want, texts(got))
			assert.Equal(t, before, asked, "what was asked changed")
		})
	}
}

func TestGrantZot(t *testing.T) {
	for _, tc := range []struct {
		name  string
		given []string
		asked string
		want  []string
	}{
		{name: "catalog", given: []string{"registry:catalog:*"}, asked: "repository::pull", want: []string{"repository::pull"}},
		{name: "catalog not given", given: []string{"repository:**:*"}, asked: "repository::pull"},
		{name: "never more than pull", given: []string{"registry:catalog:*"}, asked: "repository::*", want: []string{"repository::pull"}},
		{name: "push of everything", given: []string{"registry:catalog:*", "repository:**:*"}, asked: "repository::push"},
		{name: "beside a repository", given: []string{"registry:catalog:*", "repository:a:pull"}, asked: "repository::pull repository:a:*", want: []string{"repository::pull", "repository:a:pull"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked, err := ParseScopes([]string{tc.asked})
			require.NoError(t, err)
			assert.Equal(t, tc.want, texts(NewRights("alice", permissions(t, tc.given...)).GrantZot(asked)))
		})
	}
}

func TestGrantOfScopesMadeByHand(t *testing.T) {
	rights := NewRights("alice", []Permission{{Repository, "**", All}, Catalog})
	for _, scope := range []Scope{
		{Repository, "*", All},
		{Repository, "team/*", Pull},
		{Repository, "", All},
		{Repository, "a", 0},
		{Namespace, "a", All},
		{Registry, "catalog", Pull},
		{Registry, "all", All},
		{"", "", All},
	} {
		assert.Empty(t, rights.Grant([]Scope{scope}), "%#v was granted", scope)
	}
}

func TestInvalidPermissionsGiveNothing(t *testing.T) {
	for _, p := range []Permission{
		{},
		{Repository, "", All},
		{Repository, "a", 0},
		{Repository, "a", Pull | 8},
		{Repository, "a**", All},
		{Namespace, "", All},
		{Namespace, "a/", All},
		{Registry, "catalog", Pull},
		{"", "**", All},
	} {
		rights := NewRights("alice", []Permission{p})
		for _, name := range []string{"a", "a/b", "aa"} {
			got := rights.Allowed(Repository, name)
			assert.Zero(t, got, "%#v allows %v on %s", p, got, name)
		}
		got := rights.Allowed(Registry, catalog)
		assert.Zero(t, got, "%#v allows %v on the catalog", p, got)
	}
}

func TestRandomPoliciesAgreeWithANaiveEvaluator(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	answered := 0
	for range 100_000 {
		username := accesstest.RandomUser(r)
		var given []string
		var held []Permission
		for range r.IntN(8) {
			text := accesstest.RandomText(r, 0.4)
			given = append(given, text)
			if p, err := ParsePermission(text); err == nil {
				held = append(held, p)
			}
		}
		var values []string
		for range 1 + r.IntN(3) {
			value := accesstest.RandomText(r, 0.02)
			for range r.IntN(3) {
				value += " " + accesstest.RandomText(r, 0.02)
			}
			values = append(values, value)
		}

		asked, err := ParseScopes(values)
		const about = "%v: user %q, given %q, asked %q"
		require.NoError(t, err, about, "not parsed", username, given, values)
		rights := NewRights(username, held)
		granted := rights.Grant(asked)
		policy := accesstest.Policy(given)
		got, want := texts(granted), accesstest.Grant(username, given, policy, values, false)
		require.Equal(t, want, got, about, "granted", username, given, values)
		got, want = texts(rights.GrantZot(asked)), accesstest.Grant(username, given, policy, values, true)
		require.Equal(t, want, got, about, "granted zot", username, given, values)
		for _, scope := range granted {
			i := slices.IndexFunc(asked, func(a Scope) bool { return a.Type == scope.Type && a.Name == scope.Name })
			require.GreaterOrEqual(t, i, 0, "granted %v, which was not asked: "+about, scope, scope, username, given, values)
			require.True(t, asked[i].Actions.Has(scope.Actions), "granted %v, which was not asked: "+about, scope, scope, username, given, values)
			require.True(t, rights.Allowed(scope.Type, scope.Name).Has(scope.Actions), "granted %v, which is not allowed: "+about, scope, scope, username, given, values)
			answered++
		}
	}
	assert.GreaterOrEqual(t, answered, 10_000, "only %d scopes were granted: the random policies say too little", answered)
}

func BenchmarkGrant(b *testing.B) {
	var given []string
	for i := range 20 {
		given = append(given, fmt.Sprintf("repository:team/app-%d:push", i))
	}
	given = append(given, "namespace:home/{username}:*", "namespace:shared:pull", "repository:team-*/**/release-*:pull", "repository:**/public:pull")
	held := permissions(b, given...)
	asked, err := ParseScopes([]string{"repository:team/app-7:pull,push repository:home/alice/x:pull,push", "repository:team-a/b/c/release-1:pull"})
	require.NoError(b, err)
	b.Run("rights ready", func(b *testing.B) {
		rights := NewRights("alice", held)
		b.ReportAllocs()
		for b.Loop() {
			require.Len(b, rights.Grant(asked), 3, "not everything was granted")
		}
	})
	b.Run("rights made anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.Len(b, NewRights("alice", held).Grant(asked), 3, "not everything was granted")
		}
	})
}
