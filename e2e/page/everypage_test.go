package page

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// adminPages are the addresses that links and questions of pages lead to, by their shape: * is any part. Each says which
// is opened, none for what is no page.
var adminPages = map[string][]string{
	"": {""}, "credentials": {"credentials"}, "sessions": {"sessions"}, "password": {"password"},
	"repositories": {"repositories"}, "repositories/tags": {"repositories/tags?name=team/app"}, "repositories/image": {"repositories/image?name=team/app&tag=multi"},
	"repositories/access": {"repositories/access?name=team/app&subject=user:bob"}, "repositories/delete": {"repositories/delete?name=team/app&tag=latest"},

	"users":                        {"users", "users?q=nobody", "users?admin=yes"},
	"users/*":                      {"users/bob", "users/root", "users/dave", "users/anonymous", "users/nobody"},
	"users/*/permissions":          {"users/bob/permissions", "users/carol/permissions"},
	"users/*/permissions/preview":  {"users/bob/permissions/preview?permission=repository:web/**:push", "users/bob/permissions/preview?permission=repository:team/app:pull&do=revoke", "users/bob/permissions/preview?permission=team"},
	"users/*/credentials":          {"users/alice/credentials", "users/frank/credentials"},
	"users/*/password":             {"users/bob/password"},
	"users/*/remove":               {"users/bob/remove"},
	"robots":                       {"robots"},
	"robots/*":                     {"robots/deploy"},
	"robots/*/permissions":         {"robots/deploy/permissions"},
	"robots/*/permissions/preview": {"robots/deploy/permissions/preview?permission=repository:team/**:push"},
	"robots/*/credentials":         {"robots/deploy/credentials", "robots/payments-ci/credentials"},
	"robots/*/remove":              {"robots/deploy/remove"},
	"groups":                       {"groups"},
	"groups/*":                     {"groups/backend", "groups/backend?q=ali", "groups/backend?q=nobody", "groups/authenticated"},
	"groups/*/permissions":         {"groups/backend/permissions"},
	"groups/*/permissions/preview": {"groups/backend/permissions/preview?permission=repository:web/**:push"},
	"groups/*/remove":              {"groups/backend/remove"},
	"tokens":                       {"tokens", "tokens?unused=yes"},
	"state":                        {"state"},
	"state/download":               {},
	"issuers":                      {"issuers"},
	"issuers/*":                    {"issuers/gitlab", "issuers/cluster"},
	"issuers/*/remove":             {"issuers/gitlab/remove", "issuers/cluster/remove"},
	"new-issuer/*":                 {"new-issuer/github", "new-issuer/kubernetes", "new-issuer/circleci"},
	"try-token":                    {"try-token"},
	"bindings":                     {"bindings", "bindings?robot=deploy"},
	"bindings/*":                   {"bindings/payments-main", "bindings/web-release"},
	"bindings/*/remove":            {"bindings/payments-main/remove"},
	"new-binding/*":                {"new-binding/gitlab", "new-binding/cluster"},
	"keys":                         {"keys"},
	"keys/*/revoke":                {}, // opened by its link, for nobody knows the id
	"audit":                        {"audit", "audit?subject=user:nobody", "audit?since=tomorrow"},
	"audit/*":                      {"audit/1"},
	"audit/verify":                 {"audit/verify"},
	"lockouts":                     {"lockouts"},
}

// shapeOf is the shape of [adminPages] that an address has.
func shapeOf(address string) (shape string, found bool) {
	here, _, _ := strings.Cut(strings.TrimPrefix(address, "/dockit/"), "?")
	here, _, _ = strings.Cut(here, "#")
	if _, found := adminPages[here]; found {
		return here, true
	}
	for shape := range adminPages {
		if matches, _ := path.Match(shape, here); matches {
			return shape, true
		}
	}
	return "", false
}

// TestEverybodyCanUseEveryPageOfAdmins has axe look at every page that an admin finds by a link, and each fit a small screen. A
// new page has to be added above: whatever a page leads to stands there.
func TestEverybodyCanUseEveryPageOfAdmins(t *testing.T) {
	t.Parallel()
	e := newLivedIn(t)
	b := newBrowser(t, e.site, true)
	b.signIn("root")
	linked := map[string]string{}
	look := func(what string) {
		b.look(strings.NewReplacer("/", "_", "?", "_", "*", "").Replace(what))
		for _, address := range evaluate[[]string](b, `[...document.querySelectorAll("a[href]"), ...document.querySelectorAll("form:not([method=post])")]
			.map((e) => e.getAttribute("href") ?? e.getAttribute("action")).filter((a) => a.startsWith("/dockit/"))`) {
			shape, found := shapeOf(address)
			assert.True(t, found, "%s leads to %s, which no test opens", what, address)
			if _, known := linked[shape]; !known {
				linked[shape] = strings.TrimPrefix(address, "/dockit/")
			}
		}
	}
	for _, shape := range slices.Sorted(maps.Keys(adminPages)) {
		for _, address := range adminPages[shape] {
			b.open(address)
			look(address)
		}
	}
	require.Contains(t, linked, "keys/*/revoke")
	b.open(linked["keys/*/revoke"])
	look("keys/revoke")
	assert.ElementsMatch(t, slices.Collect(maps.Keys(adminPages)), slices.Collect(maps.Keys(linked)), "what links lead to, and what is opened")
}
