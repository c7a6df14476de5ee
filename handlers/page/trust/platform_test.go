package trust

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestIssuerURLs guards what an answer in the words of a platform means.
func TestIssuerURLs(t *testing.T) {
	for name, c := range map[string]struct {
		platform platform
		answer   string
		url      string
	}{
		"github":            {gitHub, "https://token.actions.githubusercontent.com", "https://token.actions.githubusercontent.com"},
		"forgejo":           {forgejo, "https://git.example.com/", "https://git.example.com/api/actions"},
		"forgejo, whole":    {forgejo, "https://git.example.com/api/actions", "https://git.example.com/api/actions"},
		"circleci":          {circleCI, "0a1b", "https://oidc.circleci.com/org/0a1b"},
		"circleci, whole":   {circleCI, "https://oidc.circleci.com/org/0a1b", "https://oidc.circleci.com/org/0a1b"},
		"bitbucket":         {bitbucket, "octo", "https://api.bitbucket.org/2.0/workspaces/octo/pipelines-config/identity/oidc"},
		"bitbucket, whole":  {bitbucket, "https://api.bitbucket.org/2.0/workspaces/octo/pipelines-config/identity/oidc", "https://api.bitbucket.org/2.0/workspaces/octo/pipelines-config/identity/oidc"},
		"a slash that is":   {generic, "https://id.example.com/", "https://id.example.com/"},
		"nothing is filled": {bitbucket, "", ""},
	} {
		assert.Equal(t, c.url, c.platform.issuerURL(c.answer), name)
	}
}
