package issuertest

import (
	"maps"
	"time"
)

// Claims are those that all tokens have, and more, which replace them; nil leaves
// one out.
func (i *Issuer) Claims(now time.Time, audience string, more ...map[string]any) map[string]any {
	claims := map[string]any{
		"iss": i.URL, "aud": audience, "sub": "somebody", "jti": "id-of-the-token",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for _, m := range more {
		maps.Copy(claims, m)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// GitHub is a job on the main branch.
func GitHub() map[string]any {
	return map[string]any{
		"sub": "repo:octo/app:ref:refs/heads/main", "repository": "octo/app", "repository_id": "74", "repository_owner": "octo", "repository_owner_id": "65",
		"repository_visibility": "private", "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "event_name": "push", "sha": "f1c2",
		"workflow": "release", "workflow_ref": "octo/app/.github/workflows/release.yml@refs/heads/main", "workflow_sha": "f1c2",
		"job_workflow_ref": "octo/app/.github/workflows/release.yml@refs/heads/main", "job_workflow_sha": "f1c2", "runner_environment": "github-hosted",
		"actor": "mona", "actor_id": "12", "run_id": "1001", "run_number": "10", "run_attempt": "2", "check_run_id": "31", "base_ref": "", "head_ref": "",
	}
}

// GitHubByID is a job of a repository whose sub names ids.
func GitHubByID() map[string]any {
	claims := GitHub()
	claims["sub"] = "repo:octo@65/app@74:ref:refs/heads/main"
	return claims
}

// Forgejo is a job of Forgejo Actions on the main branch, of a repository whose sub
// has ids.
func Forgejo() map[string]any {
	return map[string]any{
		"sub": "repo:octo-65/app-74:ref:refs/heads/main", "repository": "octo/app", "repository_id": "74", "repository_owner": "octo", "repository_owner_id": "65",
		"ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "event_name": "push", "sha": "f1c2", "base_ref": "", "head_ref": "",
		"workflow": "release.yml", "workflow_ref": "octo/app/.forgejo/workflows/release.yml@refs/heads/main", "actor": "mona", "actor_id": "12",
		"run_id": "1001", "run_number": "10", "run_attempt": "1",
	}
}

// GitHubPullRequest is a job of a pull request.
func GitHubPullRequest() map[string]any {
	claims := GitHub()
	maps.Copy(claims, map[string]any{
		"sub": "repo:octo/app:pull_request", "ref": "refs/pull/7/merge", "ref_protected": "false", "event_name": "pull_request", "base_ref": "main", "head_ref": "feature",
	})
	return claims
}

// GitLab is a job on the main branch.
func GitLab() map[string]any {
	return map[string]any{
		"sub": "project_path:group/app:ref_type:branch:ref:main", "namespace_id": "72", "namespace_path": "group", "project_id": "20", "project_path": "group/app",
		"job_project_id": "20", "job_project_path": "group/app", "job_namespace_id": "72", "job_namespace_path": "group",
		"user_id": "1", "user_login": "mona", "user_email": "mona@example.com", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302",
		"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "runner_environment": "gitlab-hosted", "sha": "f1c2",
		"project_visibility": "private", "ci_config_ref_uri": "gitlab.example.com/group/app//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": "f1c2",
	}
}

// GitLabFork is a job of a merge request from a fork, run in the project that the
// merge request goes to.
func GitLabFork() map[string]any {
	claims := GitLab()
	maps.Copy(claims, map[string]any{
		"sub": "project_path:stranger/app:ref_type:branch:ref:main", "namespace_id": "900", "namespace_path": "stranger", "project_id": "901", "project_path": "stranger/app",
		"pipeline_source": "merge_request_event", "ref_path": "refs/merge-requests/7/head", "ref_protected": "false",
	})
	return claims
}

// Buildkite is a job on the main branch, which asked for the ids.
func Buildkite() map[string]any {
	return map[string]any{
		"sub":             "organization:octo:pipeline:app:ref:refs/heads/main:commit:f1c2:step:push",
		"organization_id": "0184990a-477b", "organization_slug": "octo", "pipeline_id": "0184990a-4782", "pipeline_slug": "app", "build_number": 1,
		"build_branch": "main", "build_tag": "", "build_commit": "f1c2", "step_key": "push", "job_id": "0184990a-aaaa", "agent_id": "0184990a-bbbb", "runner_environment": "buildkite-hosted",
	}
}

// CircleCI is a job on the main branch.
func CircleCI() map[string]any {
	return map[string]any{
		"sub":                          "org/0a1b/project/2c3d/user/4e5f/vcs-origin/github.com/octo/app/vcs-ref/refs/heads/main",
		"oidc.circleci.com/project-id": "2c3d", "oidc.circleci.com/context-ids": []string{"6a7b", "8c9d"}, "oidc.circleci.com/vcs-origin": "github.com/octo/app",
		"oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/ssh-rerun": false, "oidc.circleci.com/job-id": "j1",
	}
}

// Bitbucket is a step on the main branch.
func Bitbucket() map[string]any {
	return map[string]any{
		"sub": "{aa11}:{bb22}", "repositoryUuid": "{aa11}", "workspaceUuid": "{cc33}", "pipelineUuid": "{dd44}", "stepUuid": "{bb22}", "branchName": "main",
	}
}

// Kubernetes is a pod of a service account.
func Kubernetes(namespace, name string) map[string]any {
	return map[string]any{
		"sub": "system:serviceaccount:" + namespace + ":" + name,
		"kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": map[string]any{"name": name, "uid": "uid-of-" + name},
			"pod": map[string]any{"name": name + "-0", "uid": "uid-of-pod"}, "node": map[string]any{"name": "node-1", "uid": "uid-of-node"},
		},
	}
}

// KubernetesLegacy is the token of a secret of a service account: it never ends,
// and is meant for anybody.
func KubernetesLegacy(namespace, name string) map[string]any {
	return map[string]any{
		"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:" + namespace + ":" + name, "aud": nil, "exp": nil, "iat": nil, "nbf": nil, "jti": nil,
		"kubernetes.io/serviceaccount/namespace": namespace, "kubernetes.io/serviceaccount/secret.name": name + "-token",
		"kubernetes.io/serviceaccount/service-account.name": name, "kubernetes.io/serviceaccount/service-account.uid": "uid-of-" + name,
	}
}

// Google is a machine's service account.
func Google() map[string]any {
	return map[string]any{
		"sub": "104720000000000000000", "azp": "104720000000000000000", "email": "ci@octo.iam.gserviceaccount.com", "email_verified": true,
		"google": map[string]any{"compute_engine": map[string]any{"project_id": "octo", "project_number": 1047, "zone": "europe-west1-b", "instance_id": "77", "instance_name": "ci"}},
	}
}
