package federation

import (
	"fmt"
	"net/url"
	"strings"
)

// KindOf is the kind of an issuer that is known by its URL, or [Generic].
func KindOf(issuerURL string) Kind {
	u, err := url.Parse(issuerURL)
	if err != nil {
		return Generic
	}
	switch host := strings.ToLower(u.Hostname()); {
	case host == "token.actions.githubusercontent.com",
		strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com"),
		strings.HasSuffix(u.Path, "/_services/token"),
		strings.HasSuffix(u.Path, "/api/actions"): // Forgejo
		return GitHub
	case host == "gitlab.com":
		return GitLab
	case host == "agent.buildkite.com":
		return Buildkite
	case host == "oidc.circleci.com":
		return CircleCI
	case host == "api.bitbucket.org":
		return Bitbucket
	case host == "accounts.google.com", issuerURL == "accounts.google.com":
		return Google
	default:
		return Generic
	}
}

// kindFault says what is wrong with the kind of an issuer that is known by its
// URL: with another kind, what lets strangers in would not be seen.
func (i Issuer) kindFault() string {
	if known := KindOf(i.URL); known != Generic && known != i.Kind {
		return fmt.Sprintf("%s is an issuer of kind %s: write --kind %[2]s", i.URL, known)
	}
	return ""
}
