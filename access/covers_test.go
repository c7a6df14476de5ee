package access_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		permission, other string
		want              bool
	}{
		{"repository:team/**:pull", "namespace:team:push", true},
		{"namespace:team:pull", "repository:team/app:*", true},
		{"namespace:team:pull", "repository:teams/app:*", false},
		{"repository:**:pull", "repository:{username}/**:push", true},
		{"repository:alice/**:pull", "repository:{username}/app:push", true},
		{"repository:bob/**:pull", "repository:{username}/app:push", false},
		{"namespace:{username}:pull", "repository:alice/app:push", true},
		{"repository:**:*", "registry:catalog:*", false},
		{"repository:team/*:pull", "repository:team/{k8s.namespace}:pull", true},
		{"repository:team/{k8s.namespace}:pull", "repository:team/*:pull", false},
		{"registry:catalog:*", "registry:catalog:*", true},
		{"registry:catalog:*", "repository:catalog:*", false},
	} {
		p, err := access.ParsePermission(c.permission)
		require.NoError(t, err)
		other, err := access.ParsePermission(c.other)
		require.NoError(t, err)
		assert.Equal(t, c.want, p.Covers("alice", other), "%s covers %s", p, other)
		assert.False(t, access.Permission{}.Covers("alice", other) || p.Covers("alice", access.Permission{}), "what is no permission")
	}
	own, err := access.ParsePermission("namespace:{username}:pull")
	require.NoError(t, err)
	assert.False(t, own.Covers("", own), "nobody asks")
}
