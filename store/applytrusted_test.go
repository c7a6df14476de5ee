package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/state"
)

const trustedState = `version: dockit/v1
users:
  - name: root
    admin: true
robots:
  - name: ci
    permissions:
      - repository:team/app:pull,push
issuers:
  - name: gitlab
    url: "https://gitlab.example.com"
    kind: "gitlab"
bindings:
  - name: app-main
    issuer: "gitlab"
    robot: "robot:ci"
    claims:
      - "project_id=20"
      - "ref_protected=true"
`

func TestApplyIssuersAndBindings(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		plan := applyState(t, s, trustedState, state.Options{})
		assert.Len(t, plan.Issuers, 1)
		assert.Len(t, plan.Bindings, 1)
		assert.Equal(t, trustedState, export(t, s))
		assert.True(t, applyState(t, s, trustedState, state.Options{Prune: true}).Empty())
		before := auditOf(t, s)
		assert.Equal(t, "binding:app-main", string(before[len(before)-1].Subject))

		// Everything of it changes, and the binding goes elsewhere.
		moved := strings.NewReplacer("name: gitlab", "name: other", `issuer: "gitlab"`, `issuer: "other"`, "name: ci", "name: cd", "robot:ci", "robot:cd").Replace(trustedState)
		plan = applyState(t, s, moved, state.Options{Prune: true})
		created, updated, removed := plan.Counts()
		assert.Equal(t, [3]int{2, 1, 2}, [3]int{created, updated, removed})
		assert.Equal(t, moved, export(t, s))

		plan = applyState(t, s, "version: dockit/v1\nusers:\n  - name: root\n    admin: true\n", state.Options{Prune: true})
		assert.Contains(t, plan.String(), "- issuer:other")
		found, err := s.Federation(t.Context())
		require.NoError(t, err)
		assert.Empty(t, found.Issuers)
		assert.Empty(t, found.Bindings)
		_ = auditOf(t, s) // which verifies it
	})
}

// TestApplyJudgesBindings checks that a document is refused as a whole, and planned
// as such, for a binding that would be; by what robots may do once it is applied.
func TestApplyJudgesBindings(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		open := strings.Replace(trustedState, "      - \"ref_protected=true\"\n", "", 1)
		for name, run := range map[string]func() error{
			"plan":  func() error { _, err := s.PlanState(t.Context(), document(t, open), state.Options{}); return err },
			"apply": func() error { _, err := s.ApplyState(t.Context(), document(t, open), state.Options{}); return err },
		} {
			require.ErrorIs(t, run(), federation.ErrUnprotected, name)
		}
		assert.Equal(t, "version: dockit/v1\n", export(t, s), "nothing was made")
		number := revision(t, s)

		// It only pulls, and later it does not.
		plan, err := s.PlanState(t.Context(), document(t, strings.Replace(open, "pull,push", "pull", 1)), state.Options{})
		require.NoError(t, err)
		assert.Empty(t, plan.Warnings)
		assert.Equal(t, number, revision(t, s), "a plan changes nothing")
		applyState(t, s, strings.Replace(open, "pull,push", "pull", 1), state.Options{})
		plan = applyState(t, s, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:team/app:push\"]\n", state.Options{})
		require.Len(t, plan.Warnings, 1)
		assert.Contains(t, plan.Warnings[0], "app-main")
		plan = applyState(t, s, open+"    allow_unprotected: true\n", state.Options{})
		assert.NotEmpty(t, plan.Warnings)

		// To disable what would be refused is always possible.
		applyState(t, s, strings.Replace(open, "pull,push", "pull", 1), state.Options{})
		applyState(t, s, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:team/app:push\"]\n", state.Options{})
		applyState(t, s, open+"    disabled: true\n", state.Options{})
	})
}

// TestApplyJudgesBindingsOfIssuersThatChange guards that no issuer which signs for
// everybody takes the place of one that does not, below bindings without an owner.
func TestApplyJudgesBindingsOfIssuersThatChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		own := strings.Replace(trustedState, "project_id=20", "groups_direct=acme/dev", 1)
		applyState(t, s, own, state.Options{})
		before := export(t, s)
		issuers := "version: dockit/v1\nissuers:\n  - name: gitlab\n    url: %q\n    kind: gitlab\n"
		shared := document(t, fmt.Sprintf(issuers, "https://gitlab.com"))
		_, err := s.PlanState(t.Context(), shared, state.Options{})
		require.ErrorIs(t, err, federation.ErrNoOwner)
		_, err = s.ApplyState(t.Context(), shared, state.Options{})
		require.ErrorIs(t, err, federation.ErrNoOwner)
		require.ErrorContains(t, err, "app-main")
		assert.Equal(t, before, export(t, s), "nothing was changed")

		plan := applyState(t, s, fmt.Sprintf(issuers, "https://gitlab.example.org"), state.Options{})
		assert.Empty(t, plan.Warnings)
		plan = applyState(t, s, "version: dockit/v1\nissuers:\n  - name: gitlab\n    url: \"https://idp.example.org\"\n    kind: kubernetes\n", state.Options{})
		require.Len(t, plan.Warnings, 1)
		assert.Contains(t, plan.Warnings[0], "app-main")
		applyState(t, s, "version: dockit/v1\nbindings:\n  - name: app-main\n    issuer: gitlab\n    robot: \"robot:ci\"\n    claims: [\"groups_direct=acme/dev\", \"ref_protected=true\"]\n    disabled: true\n", state.Options{})
		applyState(t, s, fmt.Sprintf(issuers, "https://gitlab.com"), state.Options{})
	})
}

func TestApplyOfTrustNeedsAPassword(t *testing.T) {
	s := onSQLite.open(t)
	applyState(t, s, trustedState, state.Options{})
	accessToken(t, s, "user:root", "tok", "h", time.Time{})
	byToken := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Credential: Credential{ID: "tok"}})
	for name, text := range map[string]string{
		"another issuer":  "version: dockit/v1\nissuers:\n  - {name: x, url: \"https://x.example.com\"}\n",
		"another URL":     strings.Replace(trustedState, "https://gitlab.example.com", "https://evil.example.com", 1),
		"a wider binding": strings.Replace(trustedState, "project_id=20", "project_id=21", 1),
	} {
		_, err := s.ApplyState(byToken, document(t, text), state.Options{})
		require.ErrorIs(t, err, ErrNeedsPassword, name)
	}
	_, err := s.ApplyState(byToken, document(t, trustedState+"    disabled: true\n"), state.Options{})
	require.NoError(t, err)
	_, err = s.ApplyState(byToken, document(t, trustedState), state.Options{})
	require.ErrorIs(t, err, ErrNeedsPassword, "to enable it")
	_, err = s.ApplyState(byToken, document(t, "version: dockit/v1\nusers:\n  - name: root\n    admin: true\nrobots:\n  - name: ci\n"), state.Options{Prune: true})
	require.NoError(t, err)
}
