package ciplatform

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestAdvice guards that each platform is known by what it sets, and that what is
// shown can be pasted.
func TestAdvice(t *testing.T) {
	t.Parallel()
	const kubernetes = "KUBERNETES_SERVICE_HOST"
	for name, tc := range map[string]struct {
		variables map[string]string
		audience  string
		says      string
		pasted    any
	}{
		"GitHub": {map[string]string{"GITHUB_ACTIONS": "true"}, audience, "This is GitHub Actions", map[string]any{"permissions": map[string]any{"contents": "read", "id-token": "write"}}},
		"Forgejo": {
			map[string]string{"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"},
			audience,
			"This is Forgejo Actions",
			map[string]any{"enable-openid-connect": true},
		},
		"GitLab in a cluster": {
			map[string]string{"GITLAB_CI": "true", kubernetes: "10.0.0.1"},
			audience,
			"This is GitLab",
			map[string]any{"id_tokens": map[string]any{"DOCKIT_ID_TOKEN": map[string]any{"aud": audience}}},
		},
		"GitLab, an audience that is none in YAML": {
			map[string]string{"GITLAB_CI": "true"},
			"on: \"x\"",
			"This is GitLab",
			map[string]any{"id_tokens": map[string]any{"DOCKIT_ID_TOKEN": map[string]any{"aud": "on: \"x\""}}},
		},
		"GitLab, an audience that is a word of YAML": {
			map[string]string{"GITLAB_CI": "true"},
			"true",
			"This is GitLab",
			map[string]any{"id_tokens": map[string]any{"DOCKIT_ID_TOKEN": map[string]any{"aud": "true"}}},
		},
		"Buildkite": {
			map[string]string{"BUILDKITE": "true"},
			audience,
			"buildkite-agent is not on the PATH",
			map[string]any{"plugins": []any{map[string]any{"docker#v5.12.0": map[string]any{"mount-buildkite-agent": true}}}},
		},
		"CircleCI": {map[string]string{"CIRCLECI": "true"}, audience, "This is CircleCI", map[string]any{"steps": []any{map[string]any{"run": "dockit login registry.example.com"}}}},
		"Bitbucket": {
			map[string]string{"BITBUCKET_BUILD_NUMBER": "7"},
			audience,
			"This is Bitbucket",
			map[string]any{"oidc": map[string]any{"audiences": []any{audience}}},
		},
		"Kubernetes": {map[string]string{kubernetes: "10.0.0.1"}, audience, "This is Kubernetes", map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "CONTAINER", "volumeMounts": []any{map[string]any{"name": "dockit-token", "mountPath": "/var/run/secrets/dockit", "readOnly": true}}}},
			"volumes": []any{map[string]any{"name": "dockit-token", "projected": map[string]any{"sources": []any{
				map[string]any{"serviceAccountToken": map[string]any{"path": "token", "audience": audience, "expirationSeconds": 3600.0}},
			}}}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := in(t, tc.variables).Advice(tc.audience, "registry.example.com")
			assert.Contains(t, text, tc.says)
			_, paste, found := strings.Cut(text, "\n\n")
			require.True(t, found)
			paste, _, _ = strings.Cut(paste, "\n\n")
			for line := range strings.SplitSeq(paste, "\n") {
				assert.True(t, strings.HasPrefix(line, "    "), line)
			}
			var pasted any
			require.NoError(t, yaml.Unmarshal([]byte(paste), &pasted))
			assert.Equal(t, tc.pasted, pasted)
		})
	}
	t.Run("Jenkins", func(t *testing.T) {
		t.Parallel()
		assert.Contains(t, in(t, map[string]string{"JENKINS_URL": "https://ci"}).Advice(audience, audience), "variable: 'DOCKIT_ID_TOKEN'")
	})
	t.Run("anything else", func(t *testing.T) {
		t.Parallel()
		all := in(t, nil).Advice("registry", audience)
		for _, name := range []string{"GitHub", "Forgejo", "GitLab", "Buildkite", "CircleCI", "Bitbucket", "Kubernetes", "--token-file"} {
			assert.Contains(t, all, name)
		}
	})
}
