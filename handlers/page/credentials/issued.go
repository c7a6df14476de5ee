package credentials

import (
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
)

// issuedData is a token that was just made, in the forms that people need.
type issuedData struct {
	Token adminapi.IssuedAccessToken
	// Forms are those of the first registry, to be copied.
	Forms []issuedForm
	Hosts []string
}

// issuedForm is one of these, with where it goes.
type issuedForm struct {
	Title, Where string
	Text         string
}

// ShowIssued answers with a token that was just made: it is shown this once, and
// stands in no address.
func ShowIssued(v *frame.Visit, status int, title string, token adminapi.IssuedAccessToken) error {
	data, err := issued(v, token)
	if err != nil {
		return err
	}
	return v.Answer(status, "credential", frame.View{Title: title, Data: data})
}

func issued(v *frame.Visit, token adminapi.IssuedAccessToken) (issuedData, error) {
	hosts := v.RegistryHosts()
	user := token.Owner.Name
	login := dockerconfig.Issued{Hosts: hosts, Username: user, Password: token.Token}
	secret, err := login.PullSecret("", "")
	return issuedData{Token: token, Hosts: hosts, Forms: []issuedForm{
		{"Docker login", "In a shell. Docker, Podman and others keep it from then on.", dockerLogins(hosts, user, token.Token)},
		{"config.json", "As ~/.docker/config.json, or DOCKER_CONFIG/config.json, where nobody can log in.", string(login.Config())},
		{"Kubernetes pull secret", "With kubectl apply -f -, and under imagePullSecrets of a pod or a service account.", string(secret)},
		{"GitHub Actions", "With the token as the secret DOCKIT_TOKEN of the repository.", githubStep(hosts[0], user)},
		{"GitLab CI", "With the token as the masked variable DOCKIT_TOKEN of the project.", gitlabScript(hosts[0], user)},
	}}, err
}

func dockerLogins(hosts []string, user, secret string) string {
	lines := make([]string, len(hosts))
	for i, host := range hosts {
		lines[i] = "printf %s " + frame.Quoted(secret) + " | docker login " + frame.Quoted(host) + " --username " + frame.Quoted(user) + " --password-stdin"
	}
	return strings.Join(lines, "\n")
}

func githubStep(host, user string) string {
	return `- uses: docker/login-action@v3
  with:
    registry: ` + host + `
    username: ` + user + `
    password: ${{ secrets.DOCKIT_TOKEN }}
`
}

func gitlabScript(host, user string) string {
	return `before_script:
  - printf %s "$DOCKIT_TOKEN" | docker login ` + frame.Quoted(host) + ` --username ` + frame.Quoted(user) + ` --password-stdin
`
}
