package trust

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// TestPipelinesAreThoseOfTheExamples guards that what the page has people paste is what is tested.
func TestPipelinesAreThoseOfTheExamples(t *testing.T) {
	example := pipeline{
		Host: "registry.example.com", Audience: "registry.example.com", Robot: "ci", Image: "team/app", Branch: "main", Namespace: "build", Account: "builder",
	}
	const folder = "../../../examples/ci/"
	for file, original := range map[string]string{
		"github.yml": "github/.github/workflows/image.yml", "forgejo.yml": "forgejo/.forgejo/workflows/image.yml",
		"gitlab.yml": "gitlab/.gitlab-ci.yml", "gitlab-login.yml": "gitlab/templates/login.yml", "buildkite.yml": "buildkite/.buildkite/pipeline.yml",
		"circleci.yml": "circleci/.circleci/config.yml", "bitbucket.yml": "bitbucket/bitbucket-pipelines.yml", "kubernetes.yml": "kubernetes/job.yaml",
	} {
		p := example
		if file == "kubernetes.yml" {
			p.Robot = "builder"
		}
		texts, err := p.fill([]pipelineFile{{file: file}})
		require.NoError(t, err)
		content, err := os.ReadFile(folder + original)
		require.NoError(t, err)
		assert.Equal(t, string(content), texts[0].Text, file)
	}
}

// TestPipelineForAnotherAudience guards that what is pasted asks for a token that Dockit takes.
func TestPipelineForAnotherAudience(t *testing.T) {
	handler := &frame.Handler{Config: frame.Config{Services: []handlers.Service{{Name: "registry.example.com"}}}}
	h, v := &pages{handler}, handler.NewVisit(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, frame.Root, http.NoBody))
	var issuer adminapi.Issuer
	issuer.Audiences = []string{"prod", "other"}
	p := h.pipelineOf(v, issuer, adminapi.Binding{})
	for _, c := range []struct{ file, says string }{
		{"github.yml", "          audience: prod\n"},
		{"gitlab-login.yml", "aud: prod\n"},
		{"buildkite.yml", "--audience prod "},
		{"circleci.yml", `"aud":"prod"`},
		{"bitbucket.yml", "- prod\n"},
		{"kubernetes.yml", "audience: prod\n"},
	} {
		texts, err := p.fill([]pipelineFile{{file: c.file}})
		require.NoError(t, err)
		assert.Contains(t, texts[0].Text, c.says, c.file)
	}
	issuer.Audiences = []string{`"; rm -rf / #`}
	assert.Equal(t, "AUDIENCE", h.pipelineOf(v, issuer, adminapi.Binding{}).Audience, "no text of a shell is made of it")
}
