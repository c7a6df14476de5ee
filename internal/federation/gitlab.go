package federation

import (
	"net/url"
	"strings"
)

var gitlab = profile{
	title: "GitLab CI",
	claims: []Claim{
		{"project_id", "the project, by the number that it keeps; in a merge request's pipeline from a fork, the fork", []string{"project_path"}},
		{"namespace_id", "the group or user, by the number that it keeps", []string{"namespace_path", "project_path"}},
		{"job_project_id", "the project that the job runs in, also when a fork's merge request started it (GitLab 18.4)", []string{"job_project_path"}},
		{"job_namespace_id", "the group or user of that project (GitLab 18.4)", []string{"job_namespace_path", "job_project_path"}},
		{"ref_protected", "true on protected branches and tags", nil},
		{"environment_protected", "true in protected environments", nil},
		{"environment", "the environment of the job", nil},
		{"ref", "the branch or tag by its bare name: main", nil},
		{"ref_type", "branch or tag", nil},
		{"ref_path", "the whole ref: refs/heads/main, refs/merge-requests/1/head", nil},
		{"pipeline_source", "what started the pipeline: push, web, schedule, merge_request_event", nil},
		{"ci_config_ref_uri", "the file with the pipeline: gitlab.com/GROUP/PROJECT//.gitlab-ci.yml@refs/heads/main; projects of others may use it", nil},
		{"ci_config_sha", "its commit", nil},
		{"project_path", "GROUP/PROJECT, which another may get one day: better is project_id", nil},
		{"namespace_path", "the group or user, whose name another may get one day: better is namespace_id", nil},
		{"job_project_path", "the path of the project that the job runs in: better is job_project_id", nil},
		{"job_namespace_path", "the path of its group: better is job_namespace_id", nil},
		{"project_visibility", "public, internal or private", nil},
		{"runner_environment", "gitlab-hosted or self-hosted", nil},
		{"runner_id", "the runner", nil},
		{"user_id", "who started the job", []string{"user_login"}},
		{"user_login", "who started the job, by name", nil},
		{"user_email", "the mail address of that user", nil},
		{"user_access_level", "what that user may do in the project", nil},
		{"deployment_tier", "the tier of the environment: production", nil},
		{"deployment_action", "what the job does with the environment", nil},
		{"environment_action", "what the job does with the environment", nil},
		{"groups_direct", "groups that the user is a member of", nil},
		{"sha", "the commit", nil},
		{"pipeline_id", "the pipeline", nil},
		{"job_id", "the job", nil},
		{"job_source", "what the job comes from", nil},
		{"sub", "project_path:GROUP/PROJECT:ref_type:branch:ref:main, configurable: better are the claims above", nil},
	},
	families: []string{"user_identities"},
	shared: func(issuer string) bool {
		u, err := url.Parse(issuer)
		return err != nil || strings.EqualFold(u.Hostname(), "gitlab.com")
	},
	owners: []owner{
		{claim: "project_id", fixed: literal},
		{claim: "namespace_id", fixed: literal},
		{claim: "job_project_id", fixed: literal},
		{claim: "job_namespace_id", fixed: literal},
		{claim: "project_path", fixed: firstFixed},
		{claim: "namespace_path", fixed: anyOf(literal, firstFixed)},
		{claim: "job_project_path", fixed: firstFixed},
		{claim: "job_namespace_path", fixed: anyOf(literal, firstFixed)},
		{claim: "sub", fixed: fixedAfter("project_path:", "/")},
	},
	ownerHint: "--claim project_id=ID, or --claim namespace_id=ID",
	protects: func(c *check) bool {
		return c.every("ref_protected", isTrue) || c.every("environment_protected", isTrue) || c.every("environment", fixed) ||
			c.every("ref", isFixedRef) || c.every("ref_path", isFixedRef) || c.every("sha", literal) ||
			c.every("sub", func(value string) bool {
				ref, ok := part(value, ":ref:", "")
				return ok && isFixedRef(ref)
			})
	},
	protectHint: "--claim ref_protected=true, --claim ref=main or --claim environment=NAME",
	fault: func(c *check) string {
		switch {
		case !c.writes:
			return ""
		case c.some("pipeline_source", "merge_request_event", "external_pull_request_event") || c.pulls("ref_path", isPullRef):
			return "pipelines of merge requests, whose code is not yet anybody's but the author's, may push: leave them out, or add a --scope that only pulls"
		case c.has("job_project_id", "job_project_path", "job_namespace_id", "job_namespace_path") && !c.has("project_id", "project_path", "namespace_id", "namespace_path"):
			return "job_project_* names the project that a job runs in, also when a fork's merge request started it: to push, add --claim project_id=ID"
		default:
			return ""
		}
	},
	warn: func(c *check) {
		if c.some("pipeline_source", "merge_request_event") && c.has("project_id", "project_path") && !c.has("job_project_id", "job_project_path") {
			c.warn("in pipelines of merge requests from forks project_* names the fork: to take those that run in your project, write job_project_id for project_id (GitLab 18.4)")
		}
		if c.writes && c.has("ref") && !c.has("ref_protected", "ref_path", "environment_protected") {
			c.warn("a tag, or the branch of a merge request, may be called as the branch is: add --claim ref_protected=true")
		}
		if c.writes && c.has("environment") && !c.has("ref", "ref_path", "ref_protected", "environment_protected") {
			c.warn("a job of any branch may name an environment that is not protected: add --claim environment_protected=true")
		}
	},
	job:     []string{"project_path", "job_project_path", "pipeline_id", "job_id", "user_login"},
	idHints: map[string]string{"project_path": "the number under the project's name, Settings > General"},
}
