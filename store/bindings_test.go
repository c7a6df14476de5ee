package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

func parsePermissions(t *testing.T, texts ...string) []access.Permission {
	t.Helper()
	all := make([]access.Permission, len(texts))
	for i, text := range texts {
		all[i] = permission(t, text)
	}
	return all
}

func TestBindings(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd", "user:alice")
		createIssuer(t, s, gitlab("gitlab"))
		createIssuer(t, s, gitlab("other"))
		whole := protected("app-main", "gitlab", "ci")
		whole.Scopes, whole.Session, whole.AllowUnprotected = parsePermissions(t, "namespace:team:pull", "repository:team/app:push"), time.Hour, true
		whole.Expose = []federation.Exposure{{Name: "ref", Claim: "ref"}, {Name: "k8s.namespace", Claim: "kubernetes.io/a<b"}}
		whole.Claims = append(whole.Claims, federation.Condition{Name: "ref", Value: "a = \"b\" é"})
		created := createBinding(t, s, whole)
		assert.Equal(t, whole, created.Binding)
		found, err := s.Binding(t.Context(), "app-main")
		require.NoError(t, err)
		assert.Equal(t, created, found)
		createBinding(t, s, protected("app-tags", "gitlab", "cd"))
		createBinding(t, s, protected("docs", "other", "ci"))

		_, _, err = s.CreateBinding(t.Context(), whole)
		require.ErrorIs(t, err, ErrExists)
		_, _, err = s.CreateBinding(t.Context(), protected("x", "nobody", "ci"))
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = s.CreateBinding(t.Context(), protected("x", "gitlab", "nobody"))
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = s.CreateBinding(t.Context(), protected("x", "gitlab", "alice"))
		require.ErrorIs(t, err, ErrNotFound, "a user is no robot")
		_, _, err = s.CreateBinding(t.Context(), federation.Binding{Name: "x", Issuer: "gitlab", Robot: subject.Ref{Kind: subject.Robot, Name: "ci"}})
		require.ErrorIs(t, err, federation.ErrInvalidBinding)
		_, err = s.Binding(t.Context(), "nobody")
		require.ErrorIs(t, err, ErrNotFound)

		for _, tc := range []struct {
			filter BindingFilter
			page   Page
			want   []string
		}{
			{BindingFilter{}, Page{Limit: 10}, []string{"app-main", "app-tags", "docs"}},
			{BindingFilter{}, Page{Limit: 2}, []string{"app-main", "app-tags"}},
			{BindingFilter{}, Page{Limit: 10, After: "app-main"}, []string{"app-tags", "docs"}},
			{BindingFilter{}, Page{Limit: 10, Prefix: "app-"}, []string{"app-main", "app-tags"}},
			{BindingFilter{Issuer: "gitlab"}, Page{Limit: 10}, []string{"app-main", "app-tags"}},
			{BindingFilter{Robot: "ci"}, Page{Limit: 10}, []string{"app-main", "docs"}},
			{BindingFilter{Issuer: "gitlab", Robot: "ci"}, Page{Limit: 10}, []string{"app-main"}},
			{BindingFilter{Robot: "nobody"}, Page{Limit: 10}, nil},
		} {
			all, err := s.Bindings(t.Context(), tc.filter, tc.page)
			require.NoError(t, err)
			var names []string
			for _, one := range all {
				names = append(names, one.Name)
			}
			assert.Equal(t, tc.want, names, "%+v", tc)
		}

		disabled, _, err := s.SetBindingDisabled(t.Context(), "app-main", true, Precondition(found.Version))
		require.NoError(t, err)
		assert.True(t, disabled.Disabled)
		_, _, err = s.SetBindingDisabled(t.Context(), "app-main", false, Precondition(found.Version))
		require.ErrorIs(t, err, ErrStale)
		require.ErrorIs(t, s.DeleteBinding(t.Context(), "app-main", Precondition(found.Version)), ErrStale)
		require.NoError(t, s.DeleteBinding(t.Context(), "app-main", 0))
		require.ErrorIs(t, s.DeleteBinding(t.Context(), "app-main", 0), ErrNotFound)
	})
}

// TestBindingsAreJudgedByWhatTheRobotMayDo checks that a binding without a protected
// ref is refused for a robot that pushes, from whomever it has that, and that
// rights which come later are told of.
func TestBindingsAreJudgedByWhatTheRobotMayDo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd", "group:dev")
		createIssuer(t, s, gitlab("gitlab"))
		open := protected("open", "gitlab", "ci")
		open.Claims = open.Claims[:2]
		createBinding(t, s, open) // it only pulls

		warned := func(who string) []federation.Warning {
			t.Helper()
			warnings, err := s.UnprotectedBy(t.Context(), ref(t, who))
			require.NoError(t, err)
			return warnings
		}
		assert.Empty(t, warned("robot:ci"))
		grant(t, s, "group:dev", "repository:team/app:push")
		assert.Empty(t, warned("group:dev"))
		_, err := s.AddMember(t.Context(), ref(t, "group:dev"), ref(t, "robot:ci"))
		require.NoError(t, err)
		require.Len(t, warned("group:dev"), 1)
		assert.Contains(t, string(warned("group:dev")[0]), "open")
		assert.Len(t, warned("robot:ci"), 1)
		assert.Len(t, warned("group:authenticated"), 1)
		assert.Empty(t, warned("robot:cd"))
		assert.Empty(t, warned("user:alice"), "a user stands for no token")

		found, err := s.Binding(t.Context(), "open")
		require.NoError(t, err)
		warnings, err := s.BindingWarnings(t.Context(), found)
		require.NoError(t, err)
		assert.NotEmpty(t, warnings)

		open.Name = "another"
		_, _, err = s.CreateBinding(t.Context(), open)
		require.ErrorIs(t, err, federation.ErrUnprotected)
		_, err = s.Binding(t.Context(), "another")
		require.ErrorIs(t, err, ErrNotFound, "what is refused is not made")
		open.Scopes = parsePermissions(t, "repository:team/app:pull")
		createBinding(t, s, open)
		open.Name, open.Scopes, open.AllowUnprotected = "allowed", nil, true
		createBinding(t, s, open)
		assert.Len(t, warned("robot:ci"), 1, "what was allowed is not told of")

		// To enable it is to take it anew.
		_, _, err = s.SetBindingDisabled(t.Context(), "open", true, 0)
		require.NoError(t, err)
		assert.Empty(t, warned("robot:ci"), "what is disabled lets nobody in")
		_, _, err = s.SetBindingDisabled(t.Context(), "open", false, 0)
		require.ErrorIs(t, err, federation.ErrUnprotected)
	})
}
