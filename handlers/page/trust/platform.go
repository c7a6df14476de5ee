package trust

import (
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/federation"
)

// platform is a sort of issuer in the words of those who use it.
type platform struct {
	// ID stands in addresses, and is the name that is proposed for an issuer.
	ID, Title string
	Kind      federation.Kind
	// About says what an issuer of the sort vouches for.
	About string
	// place asks where it is, and url makes the iss of its tokens of the answer. Without
	// url it is the answer itself.
	place question
	url   func(place string) string
	// given is set where the keys are given rather than found.
	given bool
	// conditions are asked for at a binding.
	conditions []condition
	// pipelines are the files to paste.
	pipelines []pipelineFile
}

// condition asks for what a claim must be.
type condition struct {
	question
	claim string
	// before stands before the answer in the value, and also are conditions that go
	// with it.
	before string
	also   []string
}

// Platforms are those that there is a form for, in the order in which they are shown.
var platforms = []platform{gitHub, gitLab, forgejo, buildkite, circleCI, bitbucket, kubernetes, google, generic}

var gitHub = platform{
	ID: "github", Title: "GitHub Actions", Kind: federation.GitHub,
	About: "Jobs of GitHub Actions, of github.com or of an Enterprise Server.",
	place: question{Label: "Address of the issuer", Value: "https://token.actions.githubusercontent.com", Hint: "Of an Enterprise Server: https://HOST/_services/token."},
	conditions: []condition{
		{question: question{Name: "repository_id", Label: "Repository, by its number", Placeholder: "74", Hint: "gh api repos/OWNER/REPO --jq .id. No other repository ever gets it."}, claim: "repository_id"},
		{question: question{Name: "repository", Label: "Repository, by its name", Placeholder: "octo/app", Hint: "Somebody else may get the name one day: write the number as well."}, claim: "repository"},
		{question: question{Name: "owner_id", Label: "Owner, by its number", Placeholder: "65", Hint: "For all repositories of an organization or user: gh api users/OWNER --jq .id."}, claim: "repository_owner_id"},
		{question: question{Name: "branch", Label: "Branch", Value: "main"}, claim: "ref", before: "refs/heads/"},
		{question: question{Name: "tag", Label: "Tag", Placeholder: "v*", Hint: "Beside a branch, it is another way in."}, claim: "ref", before: "refs/tags/"},
		{question: question{Name: "environment", Label: "Environment", Placeholder: "production", Hint: "It is worth what its protection rules are."}, claim: "environment"},
		{question: question{Name: "event", Label: "Event", Value: "push", Hint: "What started the run. pull_request_target and workflow_run carry the branch that a pull request goes to."}, claim: "event_name"},
	},
	pipelines: []pipelineFile{{"github.yml", ".github/workflows/image.yml"}},
}

var forgejo = platform{
	ID: "forgejo", Title: "Forgejo Actions", Kind: federation.GitHub,
	About:      "Jobs of Forgejo Actions. Gitea signs no tokens.",
	place:      question{Label: "Address of the instance", Placeholder: "https://git.example.com"},
	url:        below("/api/actions"),
	conditions: []condition{gitHub.conditions[0], gitHub.conditions[1], gitHub.conditions[3], gitHub.conditions[4], gitHub.conditions[6]},
	pipelines:  []pipelineFile{{"forgejo.yml", ".forgejo/workflows/image.yml"}},
}

var gitLab = platform{
	ID: "gitlab", Title: "GitLab CI", Kind: federation.GitLab,
	About: "Jobs of GitLab CI, of gitlab.com or of an instance of your own.",
	place: question{Label: "Address of the instance", Value: "https://gitlab.com"},
	conditions: []condition{
		{question: question{Name: "project_id", Label: "Project, by its number", Placeholder: "20", Hint: "Under the name of the project, Settings > General. No other project ever gets it."}, claim: "project_id"},
		{question: question{Name: "project", Label: "Project, by its path", Placeholder: "group/app", Hint: "Somebody else may get the path one day: write the number as well."}, claim: "project_path"},
		{question: question{Name: "group_id", Label: "Group, by its number", Placeholder: "72", Hint: "For all projects that stand right in a group."}, claim: "namespace_id"},
		{question: question{Name: "protected", Label: "Only protected branches and tags", Tick: "true", Value: "true"}, claim: "ref_protected"},
		{question: question{Name: "branch", Label: "Branch or tag", Placeholder: "main"}, claim: "ref"},
		{question: question{Name: "environment", Label: "Environment", Placeholder: "production", Hint: "Any branch may name one that is not protected."}, claim: "environment"},
	},
	pipelines: []pipelineFile{{"gitlab.yml", ".gitlab-ci.yml"}, {"gitlab-login.yml", "templates/login.yml"}},
}

var buildkite = platform{
	ID: "buildkite", Title: "Buildkite", Kind: federation.Buildkite,
	About: "Jobs of Buildkite. One issuer signs for all of its customers.",
	place: question{Label: "Address of the issuer", Value: "https://agent.buildkite.com"},
	conditions: []condition{
		{question: question{Name: "organization_id", Label: "Organization, by its id", Hint: "It stands in a token that was asked for with --claim organization_id."}, claim: "organization_id"},
		{question: question{Name: "pipeline_id", Label: "Pipeline, by its id", Hint: "It stands in a token that was asked for with --claim pipeline_id."}, claim: "pipeline_id"},
		{question: question{Name: "branch", Label: "Branch", Value: "main", Hint: "A fork has one of the same name: let Buildkite prefix the branches of pull requests from forks."}, claim: "build_branch"},
		{question: question{Name: "tag", Label: "Tag", Placeholder: "v*"}, claim: "build_tag"},
	},
	pipelines: []pipelineFile{{"buildkite.yml", ".buildkite/pipeline.yml"}},
}

var circleCI = platform{
	ID: "circleci", Title: "CircleCI", Kind: federation.CircleCI,
	About: "Jobs of an organization at CircleCI.",
	place: question{Label: "Organization, by its id", Placeholder: "0a1b2c3d-0000-4000-8000-000000000001", Hint: "Organization Settings > Overview."},
	url:   between("https://oidc.circleci.com/org/", ""),
	conditions: []condition{
		{question: question{Name: "project_id", Label: "Project, by its id", Hint: "Project Settings > Overview."}, claim: "oidc.circleci.com/project-id"},
		{question: question{Name: "branch", Label: "Branch", Value: "main"}, claim: "oidc.circleci.com/vcs-ref", before: "refs/heads/"},
		{question: question{Name: "context_id", Label: "Context, by its id", Hint: "Its restrictions say who may use it."}, claim: "oidc.circleci.com/context-ids"},
		{question: question{Name: "no_ssh", Label: "No jobs that somebody runs again with a shell", Tick: "false", Value: "false"}, claim: "oidc.circleci.com/ssh-rerun"},
	},
	pipelines: []pipelineFile{{"circleci.yml", ".circleci/config.yml"}},
}

var bitbucket = platform{
	ID: "bitbucket", Title: "Bitbucket Pipelines", Kind: federation.Bitbucket,
	About: "Steps of the pipelines of a workspace at Bitbucket.",
	place: question{Label: "Workspace", Placeholder: "octo", Hint: "As it stands in the addresses of its repositories."},
	url:   between("https://api.bitbucket.org/2.0/workspaces/", "/pipelines-config/identity/oidc"),
	conditions: []condition{
		{question: question{Name: "repository_id", Label: "Repository, by its UUID", Placeholder: "{0a1b2c3d-0000-4000-8000-000000000003}", Hint: "Repository settings > OpenID Connect, with its braces."}, claim: "repositoryUuid"},
		{question: question{Name: "branch", Label: "Branch", Value: "main"}, claim: "branchName"},
		{question: question{Name: "environment", Label: "Deployment environment, by its UUID", Hint: "With its braces."}, claim: "deploymentEnvironmentUuid"},
	},
	pipelines: []pipelineFile{{"bitbucket.yml", "bitbucket-pipelines.yml"}},
}

var kubernetes = platform{
	ID: "kubernetes", Title: "Kubernetes", Kind: federation.Kubernetes, given: true,
	About: "Pods of a cluster, by their service accounts.",
	place: question{Label: "Issuer of the cluster", Value: "https://kubernetes.default.svc.cluster.local", Hint: "What kubectl get --raw /.well-known/openid-configuration calls issuer."},
	conditions: []condition{
		{question: question{Name: "namespace", Label: "Namespace", Placeholder: "build"}, claim: "kubernetes.io/namespace"},
		{question: question{Name: "account", Label: "Service account", Placeholder: "builder"}, claim: "kubernetes.io/serviceaccount/name"},
	},
	pipelines: []pipelineFile{{"kubernetes.yml", "job.yaml"}},
}

var google = platform{
	ID: "google", Title: "Google Cloud", Kind: federation.Google,
	About: "Machines and services of Google Cloud, by their service accounts. One issuer signs for everybody.",
	place: question{Label: "Address of the issuer", Value: "https://accounts.google.com"},
	conditions: []condition{
		{question: question{Name: "account_id", Label: "Service account, by its unique id", Placeholder: "104720000000000000000", Hint: "gcloud iam service-accounts describe ADDRESS --format='value(uniqueId)'"}, claim: "sub"},
		{question: question{Name: "email", Label: "Service account, by its address", Placeholder: "ci@octo.iam.gserviceaccount.com"}, claim: "email", also: []string{"email_verified=true"}},
	},
	pipelines: []pipelineFile{{"google.sh", "the script of the job"}},
}

var generic = platform{
	ID: "generic", Title: "OpenID Connect", Kind: federation.Generic,
	About:     "Any other issuer of OpenID Connect. Nothing is known of what its claims mean.",
	place:     question{Label: "Address of the issuer", Placeholder: "https://id.example.com", Hint: "The iss of its tokens, to the byte."},
	pipelines: []pipelineFile{{"generic.sh", "the script of the job, with its token in DOCKIT_ID_TOKEN"}},
}

// below adds a path to an address, which may have it already.
func below(path string) func(string) string {
	return func(address string) string { return strings.TrimSuffix(strings.TrimRight(address, "/"), path) + path }
}

// between puts the answer into an address, unless it is the whole address already.
func between(before, after string) func(string) string {
	return func(answer string) string {
		if strings.Contains(answer, "://") {
			return answer
		}
		return before + answer + after
	}
}

// platformCalled is the one with that id.
func platformCalled(id string) (platform, error) {
	at := slices.IndexFunc(platforms, func(p platform) bool { return p.ID == id })
	if at < 0 {
		return platform{}, frame.NotFound("no such kind of issuer: choose one of those that are listed")
	}
	return platforms[at], nil
}

// platformOf is that of an issuer.
func platformOf(issuer adminapi.NewIssuer) platform {
	if issuer.Kind == string(federation.GitHub) && strings.HasSuffix(issuer.URL, "/api/actions") {
		return forgejo
	}
	at := slices.IndexFunc(platforms, func(p platform) bool { return string(p.Kind) == issuer.Kind })
	if at < 0 {
		return generic
	}
	return platforms[at]
}

// issuerURL is the iss that a form means.
func (p platform) issuerURL(place string) string {
	if p.url == nil || place == "" {
		return place
	}
	return p.url(place)
}
