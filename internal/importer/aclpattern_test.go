package importer

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/access"
)

func TestPermissionNameIsExact(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		own     int
		name    string
		exact   bool
	}{
		{"web/**", 0, "web/*", true},
		{"web/[ab]", 0, "web/*/**", false},
		{"/^web/.*$/", 0, "web/*/**", true},
		{"/^web-.+$/", 0, "web-*/**", true},
		{"/^web.+$/", 0, "web*/**", false}, // not web itself
		{"/^a[^/]+b$/", 0, "a*b", false},   // not ab
		{"/^a-[^/]+b$/", 0, "a-*b", false}, // not a-b
		{"/^web/[^/]+$/", 0, "web/*", true},
		{"/app$/", 0, "**", false},
		{"/^([^/]+)/.*$/", 1, "{username}/*/**", true},
		{"/^x([^/]+)/.*$/", 1, "x*/**", false}, // the group is no component
		{"/^([^/]+)-.*$/", 1, "**", false},
	} {
		name, exact := permissionName(tc.pattern, tc.own)
		assert.Equal(t, tc.name, name, tc.pattern)
		assert.Equal(t, tc.exact, exact, tc.pattern)
	}
}

// What a group takes of [1]/x is compared as a pattern there: an account 1 fits.
func TestOwnComponentMayBeAnAddress(t *testing.T) {
	r := applied{aclRule: &aclRule{own: 1}, verdict: yes, names: []string{"{username}/*"}}
	assert.True(t, r.meets("[::1]/x", &account{name: "1"}))
	assert.False(t, applied{aclRule: &aclRule{}, verdict: yes, names: r.names, gives: access.Pull}.meets("[::1]/x", &account{name: "1"}))
}
