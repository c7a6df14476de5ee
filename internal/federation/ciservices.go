package federation

import (
	"net/url"
	"strings"
)

var buildkite = profile{
	title: "Buildkite",
	claims: []Claim{
		{"organization_id", "the organization, by the id that it keeps (ask for it: buildkite-agent oidc request-token --claim organization_id)", []string{"organization_slug"}},
		{"pipeline_id", "the pipeline, by the id that it keeps (ask for it: --claim pipeline_id)", []string{"pipeline_slug"}},
		{"build_branch", "the branch; for a pull request from a fork, its branch, unless the pipeline puts the fork's name before it", nil},
		{"build_tag", "the tag", nil},
		{"step_key", "the key of the step", nil},
		{"organization_slug", "the organization, by its name: better is organization_id", nil},
		{"pipeline_slug", "the pipeline, by its name: better is pipeline_id", nil},
		{"cluster_id", "the cluster of agents (ask for it: --claim cluster_id)", []string{"cluster_name"}},
		{"cluster_name", "the cluster of agents, by name", nil},
		{"queue_id", "the queue of agents", []string{"queue_key"}},
		{"queue_key", "the queue of agents, by name", nil},
		{"build_source", "what started the build: webhook, ui, api, schedule", nil},
		{"runner_environment", "buildkite-hosted or self-hosted", nil},
		{"build_number", "the build", nil},
		{"build_commit", "the commit", nil},
		{"build_id", "the build, by its id", nil},
		{"job_id", "the job", nil},
		{"agent_id", "the agent", nil},
		{"sub", "organization:SLUG:pipeline:SLUG:ref:REF:commit:SHA:step:KEY", nil},
	},
	families: []string{"agent_tag:"},
	shared:   func(string) bool { return true },
	owners: []owner{
		{claim: "organization_id", fixed: literal},
		{claim: "pipeline_id", fixed: literal},
		{claim: "cluster_id", fixed: literal},
		{claim: "organization_slug", fixed: literal},
		{claim: "sub", fixed: fixedAfter("organization:", ":")},
	},
	ownerHint: "--claim organization_id=ID, or --claim pipeline_id=ID",
	protects: func(c *check) bool {
		return c.every("build_branch", isFixedRef) || c.every("build_tag", isFixedRef) || c.every("build_commit", literal) ||
			c.every("sub", func(value string) bool {
				ref, ok := part(value, ":ref:", ":commit:")
				return ok && isFixedRef(ref)
			})
	},
	job:         []string{"pipeline_slug", "build_number", "job_id"},
	protectHint: "--claim build_branch=main, or --claim 'build_tag=v*'",
}

const (
	// circleOrganization is whose the job is.
	circleOrganization = "oidc.circleci.com/org-id"
	// circleSSH is true for a job that was run again with a shell for the user who asked.
	circleSSH = "oidc.circleci.com/ssh-rerun"
)

var circleCI = profile{
	title: "CircleCI",
	claims: []Claim{
		{"oidc.circleci.com/project-id", "the project, by the id that it keeps", nil},
		{"oidc.circleci.com/context-ids", "the contexts of the job, whose restrictions say who may use them", nil},
		{"oidc.circleci.com/vcs-ref", "the branch or tag: refs/heads/main", nil},
		{"oidc.circleci.com/vcs-origin", "where the code is: github.com/OWNER/REPO", nil},
		{circleSSH, "true for a job that was run again with a shell: write false", nil},
		{circleOrganization, "the organization, which the iss names as well, unless it is https://oidc.circleci.com alone", nil},
		{"oidc.circleci.com/pipeline-definition-id", "the definition of the pipeline", nil},
		{"oidc.circleci.com/pipeline-id", "the pipeline", nil},
		{"oidc.circleci.com/workflow-id", "the workflow", nil},
		{"oidc.circleci.com/job-id", "the job", nil},
		{"sub", "org/ID/project/ID/user/ID, and with CIRCLE_OIDC_TOKEN_V2 …/vcs-origin/ORIGIN/vcs-ref/REF", nil},
	},
	families: []string{"oidc.circleci.com/"},
	shared: func(issuer string) bool { // circleci run oidc get --root-issuer
		u, err := url.Parse(issuer)
		return err != nil || strings.EqualFold(u.Hostname(), "oidc.circleci.com") && !strings.HasPrefix(u.Path, "/org/")
	},
	owners: []owner{
		{claim: circleOrganization, fixed: literal},
		{claim: "oidc.circleci.com/project-id", fixed: literal},
		{claim: "oidc.circleci.com/context-ids", fixed: literal},
		{claim: "sub", fixed: fixedAfter("org/", "/")},
	},
	ownerHint: "--claim " + circleOrganization + "=ID",
	protects: func(c *check) bool {
		return c.every("oidc.circleci.com/vcs-ref", isFixedRef) || c.every("oidc.circleci.com/context-ids", literal) ||
			c.every("sub", func(value string) bool {
				ref, ok := part(value, "/vcs-ref/", "")
				return ok && isFixedRef(ref) && !strings.Contains(value, "**") // a branch may have /vcs-ref/ in its name
			})
	},
	job:         []string{"oidc.circleci.com/project-id", "oidc.circleci.com/workflow-id", "oidc.circleci.com/job-id"},
	protectHint: "--claim oidc.circleci.com/vcs-ref=refs/heads/main, or --claim oidc.circleci.com/context-ids=ID",
	fault: func(c *check) string {
		if c.writes && !c.every(circleSSH, isFalse) {
			return "whoever runs a job again with SSH gets a shell that may push: add --claim " + circleSSH + "=false"
		}
		return ""
	},
	warn: func(c *check) {
		if !c.writes && !c.has(circleSSH) {
			c.warn("whoever runs a job again with SSH gets a shell that may pull: add --claim %s=false", circleSSH)
		}
	},
}

var bitbucket = profile{
	title: "Bitbucket Pipelines",
	claims: []Claim{
		{"repositoryUuid", "the repository, by the id that it keeps, in braces", nil},
		{"workspaceUuid", "the workspace, by the id that it keeps, in braces", nil},
		{"deploymentEnvironmentUuid", "the deployment environment, in braces", nil},
		{"branchName", "the branch: main", nil},
		{"pipelineUuid", "the pipeline", nil},
		{"pipelineRunUuid", "the run of the pipeline", nil},
		{"stepUuid", "the step", nil},
		{"sub", "{repository}:{step}, or with the environment between: another for each step", nil},
	},
	protects: func(c *check) bool {
		return c.every("branchName", isFixedRef) || c.every("deploymentEnvironmentUuid", literal)
	},
	job:         []string{"repositoryUuid", "pipelineUuid", "stepUuid"},
	protectHint: "--claim branchName=main, or --claim deploymentEnvironmentUuid={UUID}",
	warn: func(c *check) {
		for _, one := range c.binding.Claims {
			if strings.HasSuffix(one.Name, "Uuid") && literal(one.Value) && !strings.HasPrefix(one.Value, "{") {
				c.warn("Bitbucket writes ids in braces: write %s", quoted(one.Name+"={"+one.Value+"}"))
			}
		}
	},
}
