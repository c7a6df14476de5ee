package access_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
)

func TestReferencesAreToldFromPorts(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for _, tc := range []struct{ name, want string }{
		{"team/app:1", `"app:1" has the tag "1", and a permission is for a repository with all its tags: write "app"`},
		{"team/app:latest", `has the tag "latest"`},
		{"app:latest", `has the tag "latest"`},
		{"localhost:5000/team/app:v1.2_x", `has the tag "v1.2_x"`},
		{"team/app@" + digest, `has a digest, and a permission is for a repository with all that is in it: write "app"`},
		{"team/app:1@" + digest, `has a digest`},
		{"app@" + digest, `has a digest`},
		{"team/host:5000/app", "has a port, which no component of a repository has"},
		{"app:1", "a host without a repository, or a repository with a tag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := access.ValidateRepository(tc.name)
			require.ErrorIs(t, err, access.ErrInvalidName)
			require.ErrorContains(t, err, tc.want)
			_, err = access.ParsePermission("repository:" + tc.name + ":pull")
			require.ErrorIs(t, err, access.ErrInvalidPermission)
			if tc.name != "app:1" {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
	_, err := access.ParsePermission("repository:team/*:1:pull")
	require.ErrorContains(t, err, `has the tag "1"`)
}

func TestWithoutHost(t *testing.T) {
	for name, want := range map[string]string{
		"localhost:5000/web/app": "web/app", "localhost:5000/**": "**", "[::1]:5000/app": "app", "host-*:5000/app": "app",
		"web/app": "", "registry.example.com/web/app": "", "localhost:5000": "", "localhost/app": "",
	} {
		got, ok := access.WithoutHost(name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, want != "", ok, name)
	}
}

func TestUsernameNeverStandsForAnAt(t *testing.T) {
	p := access.Permission{Type: access.Namespace, Name: "{username}", Actions: access.All}
	assert.True(t, p.FitsUsername("alice"))
	assert.False(t, p.FitsUsername("alice@example.com"))
	p.Name = "team"
	assert.True(t, p.FitsUsername("alice@example.com"))
}
