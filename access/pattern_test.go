package access

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/accesstest"
)

func TestMatches(t *testing.T) {
	const username = "alice"
	for _, tc := range []struct {
		permission string
		matches    []string
		not        []string
	}{
		{
			permission: "repository:team/app:pull",
			matches:    []string{"team/app"},
			not:        []string{"team", "team/app/x", "team/apps", "xteam/app", "team/ap"},
		},
		{
			permission: "repository:*:pull",
			matches:    []string{"a", "a-b"},
			not:        []string{"a/b", "host:5000/a"},
		},
		{
			permission: "repository:team/*:pull",
			matches:    []string{"team/app", "team/a.b"},
			not:        []string{"team", "team/app/x", "teams/app"},
		},
		{
			permission: "repository:app-*:pull",
			matches:    []string{"app-1", "app-a-b"},
			not:        []string{"app", "app1", "xapp-1", "app-1/x"},
		},
		{
			permission: "repository:app*:pull",
			matches:    []string{"app", "apps", "app-1"},
			not:        []string{"ap", "app/x"},
		},
		{
			permission: "repository:*-app-*x:pull",
			matches:    []string{"a-app-x", "a-app-app-bx", "a-app-x-x"},
			not:        []string{"a-app-", "app-app-y", "a-appx"},
		},
		{
			permission: "repository:a*a:pull",
			matches:    []string{"aa", "aba", "aaa"},
			not:        []string{"a", "ab"},
		},
		{
			permission: "repository:**:pull",
			matches:    []string{"a", "a/b/c", "host:5000/a/b"},
		},
		{
			permission: "repository:a/**/z:pull",
			matches:    []string{"a/z", "a/b/z", "a/b/c/z", "a/z/z"},
			not:        []string{"a", "z", "a/b", "a/zz", "b/a/z"},
		},
		{
			permission: "repository:**/a/**/b:pull",
			matches:    []string{"a/b", "x/a/b", "a/x/b", "a/b/a/b", "a/b/b", "x/a/y/a/z/b"},
			not:        []string{"b/a", "a", "b", "a/b/c"},
		},
		{
			permission: "repository:**/*:pull",
			matches:    []string{"a", "a/b"},
		},
		{
			permission: "repository:*/**/*:pull",
			matches:    []string{"a/b", "a/b/c"},
			not:        []string{"a"},
		},
		{
			permission: "namespace:team:pull",
			matches:    []string{"team", "team/app", "team/app/debug"},
			not:        []string{"teams", "teams/app", "team-x", "x/team", "tea"},
		},
		{
			permission: "namespace:a:pull",
			matches:    []string{"a/b/c"},
			not:        []string{"ab/c"},
		},
		{
			permission: "namespace:team-*:pull",
			matches:    []string{"team-a", "team-a/b"},
			not:        []string{"team", "team/a"},
		},
		{
			permission: "namespace:home/{username}:pull",
			matches:    []string{"home/alice", "home/alice/a"},
			not:        []string{"home/bob", "home", "home/alice2/a"},
		},
		{
			permission: "namespace:host:5000:pull",
			matches:    []string{"host:5000/a", "host:5000/a/b"},
			not:        []string{"host:5001/a", "host/a"},
		},
		{
			permission: "repository:{username}/**:pull",
			matches:    []string{"alice", "alice/a", "alice/a/b"},
			not:        []string{"bob/a", "alice2/a"},
		},
		{
			permission: "repository:u-{username}-*:pull",
			matches:    []string{"u-alice-x"},
			not:        []string{"u-alice", "u-bob-x", "u-alice/x"},
		},
		{
			permission: "repository:host:*/**:pull",
			matches:    []string{"host:5000/a"},
			not:        []string{"host/a", "other:5000/a"},
		},
	} {
		t.Run(tc.permission, func(t *testing.T) {
			p, err := ParsePermission(tc.permission)
			require.NoError(t, err)
			for _, name := range tc.matches {
				assert.True(t, p.Matches(username, Repository, name), "does not match %q", name)
			}
			for _, name := range append(tc.not, "", "*", "**", "team/*", "team/**", "{username}", "alice/*", "a/", "/a", "../a") {
				assert.False(t, p.Matches(username, Repository, name), "matches %q", name)
			}
			assert.False(t, p.Matches(username, Registry, "catalog"), "matches something other than a repository")
			assert.False(t, p.Matches(username, Namespace, "team"), "matches something other than a repository")
		})
	}
}

func TestCatalogMatches(t *testing.T) {
	assert.True(t, Catalog.Matches("alice", Registry, "catalog"), "does not match the catalog")
	for _, p := range []Permission{{Repository, "**", All}, {Repository, "catalog", All}, {Namespace, "catalog", All}} {
		assert.False(t, p.Matches("alice", Registry, "catalog"), "%v matches the catalog", p)
	}
	assert.False(t, Catalog.Matches("alice", Repository, "catalog"), "matches something other than the catalog")
	assert.False(t, Catalog.Matches("alice", Registry, "catalogue"), "matches something other than the catalog")
}

func TestUsernameIsOnlyCompared(t *testing.T) {
	permission := Permission{Namespace, "home/{username}", All}
	for _, username := range []string{"", "*", "**", "a/b", "a/../b", "{username}", "a*", "alic"} {
		for _, name := range []string{"home", "home/a", "home/a/b", "home/alice", "home/alice/x"} {
			assert.False(t, permission.Matches(username, Repository, name), "user %q reaches %q", username, name)
		}
	}
	assert.False(t, (Permission{Repository, "u{username}", All}).Matches("", Repository, "u"), "nobody reaches u")
}

// A matcher that tries every split would need longer than the universe is old.
func TestMatchTimeIsBounded(t *testing.T) {
	deepName := strings.Repeat("a/", 126) + "b"
	wideName := strings.Repeat("a", 254)
	start := time.Now()
	for _, tc := range []struct{ pattern, name string }{
		{strings.Repeat("**/", 80) + "a", deepName},
		{strings.Repeat("**/a/", 40) + "a", deepName},
		{strings.Repeat("**/*/", 40) + "a", deepName},
		{strings.Repeat("a*", 120) + "b", wideName},
		{strings.Repeat("*a", 120) + "*b", wideName},
		{strings.Repeat("**/a*a*a/", 20) + "a", strings.Repeat(strings.Repeat("a", 20)+"/", 12) + "b"},
	} {
		p := Permission{Repository, tc.pattern, Pull}
		require.NoError(t, p.Validate())
		require.NoError(t, ValidateRepository(tc.name))
		for range 100 {
			require.False(t, p.Matches("alice", Repository, tc.name), "%s matches %s", tc.pattern, tc.name)
		}
	}
	assert.LessOrEqual(t, time.Since(start), 5*time.Second, "600 matches took")
}

func FuzzMatch(f *testing.F) {
	f.Add("team/**", "alice", "team/app")
	f.Add("**/a/**/b*c", "alice", "x/a/y/bc")
	f.Add("{username}/*", "bob", "bob/a")
	f.Add("*{username}*", "a", "aaa")
	f.Add("host:*/**", "", "host:5000/a")
	f.Add("{username}", "\x94", "0")
	f.Fuzz(func(t *testing.T, name, username, repository string) {
		p := Permission{Repository, name, Pull}
		got := p.Matches(username, Repository, repository)
		if p.Validate() != nil || ValidateRepository(repository) != nil {
			require.False(t, got, "%q matches %q, and one of them is not valid", name, repository)
			return
		}
		require.Equal(t, accesstest.Match(name, username, repository), got, "%q for %q on %q", name, username, repository)
		if got {
			require.True(t, (Permission{Namespace, name, Pull}).Matches(username, Repository, repository), "namespace %q does not hold %q itself", name, repository)
		}
	})
}
