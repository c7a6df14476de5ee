package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func permissions(t testing.TB, texts ...string) []Permission {
	t.Helper()
	parsed := make([]Permission, len(texts))
	for i, text := range texts {
		var err error
		if parsed[i], err = ParsePermission(text); err != nil {
			t.Fatal(err)
		}
	}
	return parsed
}

func texts(scopes []Scope) []string {
	list := make([]string, len(scopes))
	for i, scope := range scopes {
		list[i] = scope.String()
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
			if err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(asked)
			got := NewRights("alice", permissions(t, tc.given...)).Grant(asked)
			if got == nil || !slices.Equal(texts(got), tc.want) {
				t.Errorf("granted %q, want %q", texts(got), tc.want)
			}
			if !slices.Equal(asked, before) {
				t.Errorf("what was asked is now %v, was %v", asked, before)
			}
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
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(NewRights("alice", permissions(t, tc.given...)).GrantZot(asked)); !slices.Equal(got, tc.want) {
				t.Errorf("granted %q, want %q", got, tc.want)
			}
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
		if got := rights.Grant([]Scope{scope}); len(got) != 0 {
			t.Errorf("%#v was granted: %v", scope, got)
		}
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
			if got := rights.Allowed(Repository, name); got != 0 {
				t.Errorf("%#v allows %v on %s", p, got, name)
			}
		}
		if got := rights.Allowed(Registry, catalog); got != 0 {
			t.Errorf("%#v allows %v on the catalog", p, got)
		}
	}
}

// Words of policies and requests, few enough to meet each other and with some
// that are wrong.
var (
	randomUsers   = []string{"alice", "bob", "a", "a.b", "a@b", ""}
	randomParts   = []string{"a", "b", "ab", "a-b", "alice", "a.b", "bob", "ba"}
	randomGlobs   = []string{"*", "**", "**", "a*", "*b", "*-*", "a*b", "{username}", "x-{username}", "{username}*", "*a*"}
	randomWrong   = []string{"", "A", "..", "a**", "{user}", "a b", "a:1", "-"}
	randomHosts   = []string{"host:5000", "a.b:1", "[::1]:2", "host"}
	randomActions = []string{"pull", "push", "delete", "*", "pull,push", "push,pull,delete", "delete,pull", "*", "push", "pull", "pull,write", ""}
	randomTypes   = []string{"repository", "repository", "repository", "namespace", "registry", "repository(plugin)", "repo"}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func randomName(r *rand.Rand, globs float64) string {
	parts := make([]string, 1+r.IntN(3))
	for i := range parts {
		switch chance := r.Float64(); {
		case chance < globs:
			parts[i] = pick(r, randomGlobs)
		case chance < globs+0.02:
			parts[i] = pick(r, randomWrong)
		case i == 0 && chance < globs+0.1:
			parts[i] = pick(r, randomHosts)
		default:
			parts[i] = pick(r, randomParts)
		}
	}
	return strings.Join(parts, "/")
}

func randomText(r *rand.Rand, globs float64) string {
	switch r.IntN(20) {
	case 0:
		return "registry:catalog:*"
	case 1:
		return "repository::" + pick(r, randomActions)
	default:
		return pick(r, randomTypes) + ":" + randomName(r, globs) + ":" + pick(r, randomActions)
	}
}

func TestRandomPoliciesAgreeWithANaiveEvaluator(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	answered := 0
	for range 100_000 {
		username := pick(r, randomUsers)
		var given []string
		var held []Permission
		for range r.IntN(8) {
			text := randomText(r, 0.4)
			given = append(given, text)
			if p, err := ParsePermission(text); err == nil {
				held = append(held, p)
			}
		}
		var values []string
		for range 1 + r.IntN(3) {
			value := randomText(r, 0.02)
			for range r.IntN(3) {
				value += " " + randomText(r, 0.02)
			}
			values = append(values, value)
		}
		describe := func() string {
			return fmt.Sprintf("user %q\ngiven %q\nasked %q", username, given, values)
		}

		asked, err := ParseScopes(values)
		if err != nil {
			t.Fatalf("%v\n%s", err, describe())
		}
		rights := NewRights(username, held)
		granted := rights.Grant(asked)
		policy := naivePolicy(given)
		if got, want := texts(granted), naiveGrant(username, given, policy, values, false); !slices.Equal(got, want) {
			t.Fatalf("granted %q, want %q\n%s", got, want, describe())
		}
		if got, want := texts(rights.GrantZot(asked)), naiveGrant(username, given, policy, values, true); !slices.Equal(got, want) {
			t.Fatalf("granted zot %q, want %q\n%s", got, want, describe())
		}
		for _, scope := range granted {
			i := slices.IndexFunc(asked, func(a Scope) bool { return a.Type == scope.Type && a.Name == scope.Name })
			if i < 0 || !asked[i].Actions.Has(scope.Actions) {
				t.Fatalf("granted %v, which was not asked\n%s", scope, describe())
			}
			if !rights.Allowed(scope.Type, scope.Name).Has(scope.Actions) {
				t.Fatalf("granted %v, which is not allowed\n%s", scope, describe())
			}
			answered++
		}
	}
	if answered < 10_000 {
		t.Errorf("only %d scopes were granted: the random policies say too little", answered)
	}
}

func BenchmarkGrant(b *testing.B) {
	var given []string
	for i := range 20 {
		given = append(given, fmt.Sprintf("repository:team/app-%d:push", i))
	}
	given = append(given, "namespace:home/{username}:*", "namespace:shared:pull", "repository:team-*/**/release-*:pull", "repository:**/public:pull")
	held := permissions(b, given...)
	asked, err := ParseScopes([]string{"repository:team/app-7:pull,push repository:home/alice/x:pull,push", "repository:team-a/b/c/release-1:pull"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("rights ready", func(b *testing.B) {
		rights := NewRights("alice", held)
		b.ReportAllocs()
		for b.Loop() {
			if len(rights.Grant(asked)) != 3 {
				b.Fatal("not everything was granted")
			}
		}
	})
	b.Run("rights made anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(NewRights("alice", held).Grant(asked)) != 3 {
				b.Fatal("not everything was granted")
			}
		}
	})
}
