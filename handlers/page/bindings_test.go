package page

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

// trust has the page trust an issuer of a platform, whose keys are given.
func (b *browser) trust(platform string, fields ...string) {
	b.Helper()
	answer := b.post("new-issuer/"+platform, append([]string{"name", platform, "jwks", string(issuertest.Offline(b, "x").JWKS())}, fields...)...)
	require.Equal(b, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
}

// TestBindingsInTheWordsOfAPlatform guards which conditions the answers of each form make, and the pipeline to paste.
func TestBindingsInTheWordsOfAPlatform(t *testing.T) {
	f := newFixture(t)
	f.make("robot:builder")
	f.grantTo("robot:builder", "repository:team/app:push")
	b := f.signedIn("root")
	assert.Contains(t, b.get("bindings").Body.String(), "No issuer is trusted, so that there is nothing to bind.")
	for platform, c := range map[string]struct {
		place  string
		fields []string
		claims []string
		paste  []string
	}{
		"github": {
			"https://token.actions.githubusercontent.com",
			[]string{"repository_id", "74", "branch", "release", "event", "push"},
			[]string{"repository_id=74", "ref=refs/heads/release", "event_name=push"},
			[]string{"id-token: write", "branches: [release]", "robot: builder", "IMAGE: registry.example.com/team/app"},
		},
		"forgejo": {
			"https://git.example.com",
			[]string{"repository_id", "74", "branch", "refs/heads/main", "tag", "v*"},
			[]string{"repository_id=74", "ref=refs/heads/main", "ref=refs/tags/v*"},
			[]string{"enable-openid-connect: true", "branches: [main]"},
		},
		"gitlab": {
			"https://gitlab.com",
			[]string{"project_id", "20", "protected", "true", "branch", "main"},
			[]string{"project_id=20", "ref_protected=true", "ref=main"},
			[]string{"id_tokens:", "robot: builder", "extends: .dockit-login"},
		},
		"buildkite": {
			"https://agent.buildkite.com",
			[]string{"organization_id", "0184990a", "branch", "main"},
			[]string{"organization_id=0184990a", "build_branch=main"},
			[]string{"buildkite-agent oidc request-token --audience registry.example.com", "--username builder"},
		},
		"circleci": {
			"0a1b",
			[]string{"project_id", "2c3d", "branch", "main", "no_ssh", "false"},
			[]string{"oidc.circleci.com/project-id=2c3d", "oidc.circleci.com/vcs-ref=refs/heads/main", "oidc.circleci.com/ssh-rerun=false"},
			[]string{"circleci run oidc get"},
		},
		"bitbucket": {
			"octo",
			[]string{"repository_id", "{aa11}", "branch", "main"},
			[]string{"repositoryUuid={aa11}", "branchName=main"},
			[]string{"BITBUCKET_STEP_OIDC_TOKEN"},
		},
		"kubernetes": {
			"https://kubernetes.default.svc",
			[]string{"namespace", "tools", "account", "pusher", "expose", "k8s.namespace=kubernetes.io/namespace"},
			[]string{"kubernetes.io/namespace=tools", "kubernetes.io/serviceaccount/name=pusher"},
			[]string{"Permissions may name", "k8s.namespace=kubernetes.io/namespace", "namespace: tools", "serviceAccountName: pusher", "--robot, builder]"},
		},
		"google": {
			"https://accounts.google.com",
			[]string{"email", "ci@octo.iam.gserviceaccount.com"},
			[]string{"email=ci@octo.iam.gserviceaccount.com", "email_verified=true"},
			[]string{"metadata.google.internal", "audience=registry.example.com"},
		},
		"generic": {
			"https://id.example.com",
			[]string{"claims", "team=blue\r\nrole=push\r\n", "scopes", "repository:team/web:push", "session", "1h"},
			[]string{"team=blue", "role=push"},
			[]string{"DOCKIT_ID_TOKEN"},
		},
	} {
		b.trust(platform, "place", c.place)
		assert.Equal(t, http.StatusOK, b.get("new-binding/"+platform).Code, platform)
		answer := b.post("new-binding/"+platform, append([]string{"name", platform + "-main", "robot", "builder"}, c.fields...)...)
		require.Equal(t, "/dockit/bindings/"+platform+"-main?done=binding-made", answer.Header().Get("Location"), "%s: %s", platform, answer.Body)
		kept, err := f.store.Binding(t.Context(), platform+"-main")
		require.NoError(t, err)
		var claims []string
		for _, claim := range kept.Claims {
			claims = append(claims, claim.String())
		}
		assert.ElementsMatch(t, c.claims, claims, platform)
		page := unescaped(b.get("bindings/" + platform + "-main").Body.String())
		for _, text := range append(c.paste, "dockit login registry.example.com --robot builder") {
			assert.Contains(t, page, text, platform)
		}
	}
	limited, err := f.store.Binding(t.Context(), "generic-main")
	require.NoError(t, err)
	assert.Equal(t, "[repository:team/web:push] 1h0m0s", fmt.Sprint(limited.Scopes, limited.Session))
}

// TestBindingsThatAreRefused guards that the page says what the admin API says of a binding, and keeps what was filled in.
func TestBindingsThatAreRefused(t *testing.T) {
	f, _ := federated(t)
	f.grantTo("robot:ci", "repository:team/app:push")
	b := f.signedIn("root")
	for name, c := range map[string]struct {
		fields []string
		status int
		says   string
	}{
		"taken":         {[]string{"name", "app-main", "robot", "ci", "project_id", "20", "protected", "true"}, http.StatusConflict, "choose another name"},
		"unprotected":   {[]string{"name", "other", "robot", "ci", "project_id", "20"}, http.StatusConflict, "nothing says from where"},
		"no condition":  {[]string{"name", "other", "robot", "ci"}, http.StatusUnprocessableEntity, "there is no condition"},
		"no robot":      {[]string{"name", "other", "robot", "nobody", "project_id", "20", "protected", "true"}, http.StatusNotFound, "nobody"},
		"odd robot":     {[]string{"name", "other", "robot", "user:alice", "project_id", "20"}, http.StatusUnprocessableEntity, "robot: "},
		"odd condition": {[]string{"name", "other", "robot", "ci", "claims", "project"}, http.StatusUnprocessableEntity, "NAME=VALUE"},
		"odd scope":     {[]string{"name", "other", "robot", "ci", "project_id", "20", "scopes", "team/app"}, http.StatusUnprocessableEntity, "what it may do at most: "},
		"odd session":   {[]string{"name", "other", "robot", "ci", "project_id", "20", "session", "long"}, http.StatusUnprocessableEntity, "how long a login lasts: "},
		"long session":  {[]string{"name", "other", "robot", "ci", "project_id", "20", "protected", "true", "session", "25h"}, http.StatusUnprocessableEntity, "24h"},
	} {
		answer := b.post("new-binding/gitlab", c.fields...)
		page := answer.Body.String()
		assert.Equal(t, c.status, answer.Code, "%s: %s", name, page)
		assert.Contains(t, page, c.says, name)
		assert.Contains(t, page, `role="alert"`, name)
		assert.Contains(t, page, `name="name" value="`+c.fields[1]+`"`, "%s: what was filled in", name)
	}
	page := b.post("new-binding/gitlab", "name", "other", "robot", "ci", "project_id", "20").Body.String()
	assert.NotContains(t, page, `name="protected" value="true" checked`, "a box stays as it was left")
	assert.Contains(t, unescaped(page), "dockit rbac binding add other --issuer gitlab --robot robot:ci --claim project_id=20 --base-url")

	answer := b.post("new-binding/gitlab", "name", "other", "robot", "ci", "project", "group/app", "allow_unprotected", "true")
	require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	page = b.get("bindings/other").Body.String()
	assert.Contains(t, page, "nothing says from where", "a warning")
	assert.Contains(t, page, "add the id that stays, project_id", "another")
	assert.Equal(t, http.StatusNotFound, b.get("new-binding/nothing").Code)
}

// TestBindingIsSwitchedAndRemoved guards what can be done with a binding, and that removing takes two steps.
func TestBindingIsSwitchedAndRemoved(t *testing.T) {
	f, _ := federated(t)
	b := f.signedIn("root")
	assert.Equal(t, "/dockit/bindings/app-main?done=binding-disabled", b.post("bindings/app-main/disable").Header().Get("Location"))
	assert.Contains(t, b.get("bindings").Body.String(), `<span class="badge">disabled</span>`)
	assert.Equal(t, "/dockit/bindings/app-main?done=binding-enabled", b.post("bindings/app-main/enable").Header().Get("Location"))
	assert.NotContains(t, b.get("bindings?robot=other").Body.String(), "app-main")
	assert.Contains(t, b.get("bindings?robot=ci").Body.String(), "app-main")

	assert.Contains(t, b.get("bindings/app-main/remove").Body.String(), "project_id=20")
	_, err := f.store.Binding(t.Context(), "app-main")
	require.NoError(t, err, "asking removes nothing")
	assert.Equal(t, "/dockit/bindings?done=binding-removed", b.post("bindings/app-main/remove").Header().Get("Location"))
	_, err = f.store.Binding(t.Context(), "app-main")
	require.ErrorIs(t, err, store.ErrNotFound)
	assert.Contains(t, b.get("bindings").Body.String(), "There are no bindings")
}

// TestTrustTakesThePasswordOnceMore guards that a browser that was left alone trusts nobody, binds nothing, and replaces no key.
func TestTrustTakesThePasswordOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		b := f.signedIn("root")
		forgotten(t)
		before, err := f.store.AuditHead(t.Context())
		require.NoError(t, err)
		for path, fields := range map[string][]string{
			"new-issuer/kubernetes": {"name", "cluster", "place", "cluster", "jwks", string(issuertest.Offline(t, "x").JWKS())},
			"keys/rotate":           {"service", "registry.example.com"},
			"keys/rotate-authority": {"force", "true"},
		} {
			answer := b.post(path, fields...)
			assert.Equal(t, http.StatusForbidden, answer.Code, path)
			page := answer.Body.String()
			assert.Contains(t, page, `action="/dockit/`+path+`"`)
			assert.Contains(t, page, `name="`+fields[0]+`" value="`+fields[1]+`"`, "%s: it is repeated", path)
		}
		after, err := f.store.AuditHead(t.Context())
		require.NoError(t, err)
		assert.Equal(t, before, after)
		answer := b.post("keys/rotate", "service", "registry.example.com", confirmField, goodPassword)
		assert.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	})
}
