package ciplatform

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

func (e Environment) isForgejo() bool {
	return e.get("FORGEJO_ACTIONS") != "" || e.get("GITEA_ACTIONS") != ""
}

func (e Environment) isGitHub() bool    { return e.is("GITHUB_ACTIONS") }
func (e Environment) isGitLab() bool    { return e.get("GITLAB_CI") != "" }
func (e Environment) isBuildkite() bool { return e.is("BUILDKITE") }
func (e Environment) isCircleCI() bool  { return e.is("CIRCLECI") }
func (e Environment) isBitbucket() bool { return e.get("BITBUCKET_BUILD_NUMBER") != "" }
func (e Environment) isJenkins() bool   { return e.get("JENKINS_URL") != "" }
func (e Environment) isKubernetes() bool {
	return e.get("KUBERNETES_SERVICE_HOST") != ""
}

// Actions reports whether this is a job of GitHub Actions, or of what takes the same
// commands in the output of a step.
func (e Environment) Actions() bool { return e.isGitHub() }

// advice says what a pipeline of one service lacks.
type advice struct {
	platform string
	before   string
	// yaml is what to paste; AUDIENCE stands for whom the token is to be meant for,
	// REGISTRY for where to log in.
	yaml  string
	after string
}

// advices are those that can be told by what stands in the environment. A job of a
// CI service may run in a cluster: that comes last.
var advices = []struct {
	is func(Environment) bool
	advice
}{
	{Environment.isForgejo, advice{
		"Forgejo Actions", "add to the job in the workflow", `enable-openid-connect: true`,
		"The workflow of a pull request from a fork gets no token. Gitea has none.",
	}},
	{Environment.isGitHub, advice{
		"GitHub Actions", "add to the job in the workflow", `permissions:
  contents: read
  id-token: write`,
		"The workflow of a pull request from a fork gets no token.",
	}},
	{Environment.isGitLab, advice{
		"GitLab", "add to the job in .gitlab-ci.yml", `id_tokens:
  DOCKIT_ID_TOKEN:
    aud: AUDIENCE`, "",
	}},
	{Environment.isBuildkite, advice{
		"Buildkite", "buildkite-agent is not on the PATH. Where the step runs in a container, add to it", `plugins:
  - docker#v5.12.0:
      mount-buildkite-agent: true`, "",
	}},
	{Environment.isCircleCI, advice{
		"CircleCI", "there is neither the program circleci nor CIRCLE_OIDC_TOKEN_V2. Let a step of the job itself log in", `steps:
  - run: dockit login REGISTRY`,
		"A pull request from a fork gets a token only if the project passes secrets to such builds. A container that\na step starts is given one as DOCKIT_ID_TOKEN: what 'circleci run oidc get' prints.",
	}},
	{Environment.isBitbucket, advice{
		"Bitbucket", "add to the step in bitbucket-pipelines.yml", `oidc:
  audiences:
    - AUDIENCE`,
		"With 'oidc: true' the token is meant for the workspace: the issuer at Dockit then needs that --audience, and so does dockit login.",
	}},
	{Environment.isJenkins, advice{
		"Jenkins", "add to the pipeline, with a credential of the kind OpenID Connect id token whose audience is AUDIENCE", `withCredentials([string(credentialsId: 'dockit', variable: 'DOCKIT_ID_TOKEN')]) {
  sh 'dockit login REGISTRY'
}`,
		"Without the plugin OpenID Connect Provider, let a robot log in with an access token: docker login --password-stdin.",
	}},
	{Environment.isKubernetes, advice{
		"Kubernetes", "add to the pod", `spec:
  containers:
    - name: CONTAINER
      volumeMounts:
        - name: dockit-token
          mountPath: /var/run/secrets/dockit
          readOnly: true
  volumes:
    - name: dockit-token
      projected:
        sources:
          - serviceAccountToken:
              path: token
              audience: AUDIENCE
              expirationSeconds: 3600`, "",
	}},
}

// Advice says what to add to the pipeline, to paste, so that there is a token that
// is meant for an audience, to log in to a registry: of the CI service or cluster that
// this is, or of all in short.
func (e Environment) Advice(audience, registry string) string {
	for _, a := range advices {
		if a.is(e) {
			text := fmt.Sprintf("This is %s: %s:\n\n%s", a.platform, strings.ReplaceAll(a.before, "AUDIENCE", audience), indent(strings.NewReplacer("AUDIENCE", quoted(audience), "REGISTRY", registry).Replace(a.yaml)))
			if a.after != "" {
				text += "\n\n" + a.after
			}
			return text
		}
	}
	return strings.Join([]string{
		"What to add where:",
		"  GitHub Actions   permissions: { contents: read, id-token: write }",
		"  Forgejo Actions  enable-openid-connect: true",
		"  GitLab           id_tokens: { DOCKIT_ID_TOKEN: { aud: " + quoted(audience) + " } }",
		"  Buildkite        nothing, where buildkite-agent is on the PATH",
		"  CircleCI         nothing, in a step of the job itself",
		"  Bitbucket        oidc: { audiences: [" + quoted(audience) + "] }",
		"  Kubernetes       a projected serviceAccountToken with that audience, mounted as " + MountedFile,
		"  anything else    a token of an OpenID Connect issuer that is meant for " + audience + ", in DOCKIT_ID_TOKEN or a file: DOCKIT_ID_TOKEN_FILE, --token-file",
	}, "\n")
}

// plainName is what is a text in YAML without quotes, but for words such as true.
var plainName = regexp.MustCompile(`^[a-z][A-Za-z0-9-]*[./][A-Za-z0-9./_-]*$|^registry$`)

// quoted writes an audience as YAML has it.
func quoted(audience string) string {
	if plainName.MatchString(audience) {
		return audience
	}
	return strconv.Quote(audience)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
