package federation

import (
	"net/url"
	"slices"
	"strings"
)

var github = profile{
	title: "GitHub Actions",
	claims: []Claim{
		{"repository_id", "the repository, by the number that it keeps: gh api repos/OWNER/REPO --jq .id", []string{"repository"}},
		{"repository_owner_id", "the organization or user, by the number that it keeps: gh api users/OWNER --jq .id", []string{"repository_owner", "repository"}},
		{"environment", "the deployment environment of the job, whose protection rules say who may use it", nil},
		{"ref", "the branch, tag or pull request: refs/heads/main, refs/tags/v1, refs/pull/1/merge", nil},
		{"ref_type", "branch or tag", nil},
		{"ref_protected", "true on protected branches and tags", nil},
		{"event_name", "what started the run: push, release, schedule, workflow_dispatch; pull_request_target and workflow_run carry the ref of the base branch", nil},
		{"job_workflow_ref", "the reusable workflow that the job stands in: OWNER/REPO/.github/workflows/FILE@REF; anybody may use one that is public", nil},
		{"job_workflow_sha", "its commit", nil},
		{"workflow_ref", "the workflow of the run: OWNER/REPO/.github/workflows/FILE@REF", nil},
		{"workflow_sha", "its commit", nil},
		{"workflow", "the name of the workflow, which its author chooses", nil},
		{"repository", "OWNER/REPO, which another may get one day: better is repository_id", nil},
		{"repository_owner", "the organization or user, whose name another may get one day: better is repository_owner_id", nil},
		{"repository_visibility", "public, internal or private", nil},
		{"runner_environment", "github-hosted or self-hosted", nil},
		{"enterprise_id", "the enterprise, by the number that it keeps", []string{"enterprise"}},
		{"enterprise", "the enterprise, by its name", nil},
		{"actor_id", "who started the run, by the number that the account keeps", []string{"actor"}},
		{"actor", "who started the run", nil},
		{"sha", "the commit", nil},
		{"base_ref", "the branch that a pull request goes to", nil},
		{"head_ref", "the branch that a pull request comes from", nil},
		{"run_id", "the run", nil},
		{"run_number", "the number of the run in its workflow", nil},
		{"run_attempt", "which try of the run", nil},
		{"check_run_id", "the job", nil},
		{"sub", "repo:OWNER/REPO:ref:REF, …:environment:NAME or …:pull_request; with the ids (OWNER@ID/REPO@ID) for newer repositories, and customizable: better are the claims above", nil},
	},
	families: []string{"repo_property_"},
	shared:   isSharedGitHub,
	owners: []owner{
		{claim: "repository_owner_id", fixed: literal},
		{claim: "repository_id", fixed: literal},
		{claim: "enterprise_id", fixed: literal},
		{claim: "repository_owner", fixed: literal},
		{claim: "enterprise", fixed: literal},
		{claim: "repository", fixed: firstFixed},
		{claim: "workflow_ref", fixed: firstFixed},
		{claim: "sub", fixed: anyOf(fixedAfter("repo:", "/"), fixedAfter("repository_owner:", ":"), fixedAfter("repository_owner_id:", ":"), fixedAfter("repository_id:", ":"))},
	},
	ownerHint:   "--claim repository_id=ID, or --claim repository_owner_id=ID",
	protects:    gitHubProtects,
	protectHint: "--claim ref=refs/heads/main, or --claim environment=NAME",
	fault: func(c *check) string {
		if !c.writes {
			return ""
		}
		if c.some("event_name", "pull_request", "pull_request_target") || c.pulls("ref", isPullRef) || c.pulls("sub", func(v string) bool { return strings.HasSuffix(v, ":pull_request") }) {
			return "jobs of pull requests, whose code is not yet anybody's but the author's, may push: leave the pull requests out, or add a --scope that only pulls"
		}
		return ""
	},
	warn: func(c *check) {
		if c.writes && !c.has("event_name") && !c.every("environment", fixed) && (c.every("ref", isFixedRef) || c.every("ref_protected", isTrue)) {
			c.warn("jobs of pull_request_target and workflow_run carry the ref of the base branch: if the repository has such workflows, add --claim event_name=push, and each other event that is to push")
		}
	},
	job:     []string{"repository", "run_id", "run_attempt", "check_run_id", "actor"},
	idHints: map[string]string{"repository": "gh api repos/NAME --jq .id", "repository_owner": "gh api users/NAME --jq .id"},
}

// pulls reports whether one of the values of a condition is about pull requests.
func (c *check) pulls(name string, is func(string) bool) bool {
	return slices.ContainsFunc(c.claims[name], is)
}

// isSharedGitHub: an Enterprise Server, a tenant of its own on ghe.com and an
// enterprise that has its name in the iss sign for one customer.
func isSharedGitHub(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return true
	}
	switch host := strings.ToLower(u.Hostname()); {
	case host == "token.actions.githubusercontent.com":
		return strings.Trim(u.Path, "/") == ""
	case strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com"):
		return false
	default:
		return !strings.HasSuffix(u.Path, "/_services/token")
	}
}

// gitHubProtects: an environment has no rules, and whatever name a workflow of any branch gives it, until an administrator made it.
func gitHubProtects(c *check) bool {
	workflow := func(value string) bool { // of an owner: anybody has one of that name
		_, ref, found := strings.Cut(value, "@")
		return found && firstFixed(value) && isFixedRef(ref)
	}
	return c.every("ref", isFixedRef) || c.every("environment", literal) || c.every("ref_protected", isTrue) ||
		c.every("job_workflow_ref", workflow) || c.every("workflow_ref", workflow) ||
		c.every("job_workflow_sha", literal) || c.every("workflow_sha", literal) || c.every("sha", literal) ||
		c.every("sub", func(value string) bool {
			environment, ok := part(value, ":environment:", "")
			if ok {
				return literal(environment) && environment != ""
			}
			ref, ok := part(value, ":ref:", "")
			return ok && isFixedRef(ref)
		})
}
