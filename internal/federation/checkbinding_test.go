package federation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// issuerURLs are issuers of each kind, as their vendors have them.
var issuerURLs = map[Kind]string{
	GitHub: "https://token.actions.githubusercontent.com", GitLab: "https://gitlab.com", Buildkite: "https://agent.buildkite.com",
	CircleCI: "https://oidc.circleci.com/org/0a1b", Bitbucket: "https://api.bitbucket.org/2.0/workspaces/octo/pipelines-config/identity/oidc",
	Kubernetes: "https://kubernetes.default.svc", Google: "https://accounts.google.com", Generic: "https://idp.example.com",
}

func permissions(t *testing.T, texts ...string) []access.Permission {
	t.Helper()
	all := make([]access.Permission, len(texts))
	for i, text := range texts {
		require.NoError(t, all[i].UnmarshalText([]byte(text)))
	}
	return all
}

func TestCheckBinding(t *testing.T) {
	const (
		pull = "repository:team/*:pull"
		push = "repository:team/*:push"
	)
	for name, c := range map[string]struct {
		kind   Kind
		url    string // default: that of the kind
		claims string // separated by spaces
		may    string
		scopes string
		err    error
		says   []string // in the error, or in the warnings, one each
	}{
		"GitHub: by ids":                               {kind: GitHub, claims: "repository_id=74 environment=release", may: push},
		"GitHub: owner by id":                          {kind: GitHub, claims: "repository_owner_id=65", may: pull},
		"GitHub: no owner":                             {kind: GitHub, claims: "ref=refs/heads/main", may: pull, err: ErrNoOwner, says: []string{"--claim repository_id=ID"}},
		"GitHub: wildcard over the owner":              {kind: GitHub, claims: "repository=*/app", may: pull, err: ErrNoOwner, says: []string{"repository=*/app has a wildcard"}},
		"GitHub: wildcard within the owner":            {kind: GitHub, claims: "repository=octo*/app", may: pull, err: ErrNoOwner},
		"GitHub: one of two values without an owner":   {kind: GitHub, claims: "repository=octo/app repository=**", may: pull, err: ErrNoOwner},
		"GitHub: sub with an owner":                    {kind: GitHub, claims: "sub=repo:octo/app:ref:refs/heads/main", may: pull},
		"GitHub: sub with ids":                         {kind: GitHub, claims: "sub=repo:octo@65/app@74:ref:refs/heads/main", may: pull},
		"GitHub: sub with a wildcard over the owner":   {kind: GitHub, claims: "sub=repo:octo*/app:ref:refs/heads/main", may: pull, err: ErrNoOwner},
		"GitHub: sub anybody can have":                 {kind: GitHub, claims: "sub=environment:release", may: pull, err: ErrNoOwner},
		"GitHub: reusable workflow is no owner":        {kind: GitHub, claims: "job_workflow_ref=octo/flows/.github/workflows/a.yml@refs/heads/main", may: pull, err: ErrNoOwner},
		"GitHub: name without its id":                  {kind: GitHub, claims: "repository=octo/app", may: pull, says: []string{"--claim repository_id=ID (ID: gh api repos/octo/app --jq .id)"}},
		"GitHub: name of an owner without its id":      {kind: GitHub, claims: "repository_owner=octo", may: pull, says: []string{"--claim repository_owner_id=ID"}},
		"GitHub: name within an owner's id":            {kind: GitHub, claims: "repository=octo/app repository_owner_id=65", may: pull},
		"GitHub: push from anywhere":                   {kind: GitHub, claims: "repository_id=74", may: push, err: ErrUnprotected, says: []string{"--claim ref=refs/heads/main"}},
		"GitHub: delete from anywhere":                 {kind: GitHub, claims: "repository_id=74", may: "namespace:team:delete", err: ErrUnprotected},
		"GitHub: push narrowed to pull":                {kind: GitHub, claims: "repository_id=74", may: push, scopes: pull},
		"GitHub: the catalog is no push":               {kind: GitHub, claims: "repository_id=74", may: "registry:catalog:*"},
		"GitHub: push from a branch":                   {kind: GitHub, claims: "repository_id=74 ref=refs/heads/main event_name=push", may: push},
		"GitHub: push from a branch, any event":        {kind: GitHub, claims: "repository_id=74 ref=refs/heads/main", may: push, says: []string{"pull_request_target"}},
		"GitHub: push from some branches":              {kind: GitHub, claims: "repository_id=74 ref=refs/heads/release-* event_name=push", may: push},
		"GitHub: push from tags":                       {kind: GitHub, claims: "repository_id=74 ref=refs/tags/v* event_name=push", may: push},
		"GitHub: push from any branch":                 {kind: GitHub, claims: "repository_id=74 ref=refs/heads/*", may: push, err: ErrUnprotected},
		"GitHub: push from any branch, deep":           {kind: GitHub, claims: "repository_id=74 ref=refs/heads/**", may: push, err: ErrUnprotected},
		"GitHub: push from one branch or any":          {kind: GitHub, claims: "repository_id=74 ref=refs/heads/main ref=**", may: push, err: ErrUnprotected},
		"GitHub: push from any environment":            {kind: GitHub, claims: "repository_id=74 environment=*", may: push, err: ErrUnprotected},
		"GitHub: push from environments by prefix":     {kind: GitHub, claims: "repository_id=74 environment=prod-*", may: push, err: ErrUnprotected},
		"GitHub: pull from environments by prefix":     {kind: GitHub, claims: "repository_id=74 environment=prod-*", may: pull},
		"GitHub: push by a sub with environments":      {kind: GitHub, claims: "sub=repo:octo/app:environment:prod-*", may: push, err: ErrUnprotected},
		"GitHub: push from branches that end so":       {kind: GitHub, claims: "repository_id=74 ref=refs/heads/*main event_name=push", may: push, err: ErrUnprotected},
		"GitHub: push from branches that end so, deep": {kind: GitHub, claims: "repository_id=74 ref=refs/heads/**/main event_name=push", may: push, err: ErrUnprotected},
		"GitHub: push from any ref that ends so":       {kind: GitHub, claims: "repository_id=74 ref=**/main event_name=push", may: push, err: ErrUnprotected},
		"GitHub: push from a branch or tag":            {kind: GitHub, claims: "repository_id=74 ref=refs/*/main event_name=push", may: push, err: ErrUnprotected},
		"GitHub: push from branches below a name":      {kind: GitHub, claims: "repository_id=74 ref=refs/heads/release/* event_name=push", may: push},
		"GitHub: push from protected refs":             {kind: GitHub, claims: "repository_id=74 ref_protected=true event_name=push", may: push},
		"GitHub: push from protected refs, any event":  {kind: GitHub, claims: "repository_id=74 ref_protected=true", may: push, says: []string{"pull_request_target"}},
		"GitHub: push from unprotected refs":           {kind: GitHub, claims: "repository_id=74 ref_protected=false", may: push, err: ErrUnprotected},
		"GitHub: push by a workflow of a branch":       {kind: GitHub, claims: "repository_owner_id=65 job_workflow_ref=octo/flows/.github/workflows/a.yml@refs/heads/main", may: push},
		"GitHub: push by a workflow of any branch":     {kind: GitHub, claims: "repository_owner_id=65 job_workflow_ref=octo/flows/.github/workflows/a.yml@*", may: push, err: ErrUnprotected},
		"GitHub: push by a workflow of anybody":        {kind: GitHub, claims: "repository_owner_id=65 job_workflow_ref=*/flows/.github/workflows/a.yml@refs/heads/main", may: push, err: ErrUnprotected},
		"GitHub: push by a sub with an environment":    {kind: GitHub, claims: "sub=repo:octo/app:environment:release", may: push},
		"GitHub: push by a sub of any kind":            {kind: GitHub, claims: "sub=repo:octo/app:*", may: push, err: ErrUnprotected},
		"GitHub: push by pull requests":                {kind: GitHub, claims: "repository_id=74 ref=refs/heads/main event_name=push event_name=pull_request", may: push, err: ErrUnprotected, says: []string{"pull requests"}},
		"GitHub: push by pull_request_target":          {kind: GitHub, claims: "repository_id=74 ref=refs/heads/main event_name=pull_request*", may: push, err: ErrUnprotected},
		"GitHub: push by the ref of a pull request":    {kind: GitHub, claims: "repository_id=74 environment=e ref=refs/pull/1/merge", may: push, err: ErrUnprotected},
		"GitHub: pull by pull requests":                {kind: GitHub, claims: "repository_id=74 event_name=pull_request", may: pull},
		"GitHub: claim with a typing error":            {kind: GitHub, claims: "repository_id=74 repositoryOwner=octo", may: pull, says: []string{"did you mean repository_owner?"}},
		"GitHub: the same typing error twice":          {kind: GitHub, claims: "repository_id=74 repositoryOwner=octo repositoryOwner=cat", may: pull, says: []string{"did you mean repository_owner?"}},
		"GitHub: custom property":                      {kind: GitHub, claims: "repository_owner_id=65 repo_property_tier=gold", may: pull},
		"GitHub: enterprise with its own iss":          {kind: GitHub, url: issuerURLs[GitHub] + "/octo-inc", claims: "environment=release", may: push, says: []string{"every project of https://"}},
		"GitHub: Enterprise Server":                    {kind: GitHub, url: "https://ghes.example.com/_services/token", claims: "environment=release", may: push, says: []string{"every project of https://"}},
		"GitHub: tenant on ghe.com":                    {kind: GitHub, url: "https://token.actions.octo.ghe.com", claims: "environment=release", may: push, says: []string{"every project of https://"}},
		"Forgejo: no owner":                            {kind: GitHub, url: "https://codeberg.org/api/actions", claims: "ref=refs/heads/main", may: pull, err: ErrNoOwner},
		"Forgejo: sub with ids":                        {kind: GitHub, url: "https://codeberg.org/api/actions", claims: "sub=repo:octo-65/app-74:ref:refs/heads/main", may: push},
		"Forgejo: by id":                               {kind: GitHub, url: "https://codeberg.org/api/actions", claims: "repository_id=74 ref=refs/heads/main event_name=push", may: push},
		"GitHub: conditions that take everything":      {kind: GitHub, url: issuerURLs[GitHub] + "/octo-inc", claims: "repository=**", may: pull, err: ErrUnprotected, says: []string{"whatever a token says"}},
		"GitLab: by id":                                {kind: GitLab, claims: "project_id=20 ref_protected=true", may: push},
		"GitLab: no owner at gitlab.com":               {kind: GitLab, claims: "ref_protected=true", may: pull, err: ErrNoOwner},
		"GitLab: no owner at its own":                  {kind: GitLab, url: "https://gitlab.example.com", claims: "ref_protected=true", may: push, says: []string{"every project of https://"}},
		"GitLab: configuration of mine is no owner":    {kind: GitLab, claims: "ci_config_ref_uri=gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main", may: pull, err: ErrNoOwner},
		"GitLab: wildcard over the group":              {kind: GitLab, claims: "project_path=*/app", may: pull, err: ErrNoOwner},
		"GitLab: name without its id":                  {kind: GitLab, claims: "project_path=g/p", may: pull, says: []string{"--claim project_id=ID"}},
		"GitLab: push from anywhere":                   {kind: GitLab, claims: "project_id=20", may: push, err: ErrUnprotected},
		"GitLab: path without a protected ref":         {kind: GitLab, claims: "project_path=g/p", may: push, err: ErrUnprotected},
		"GitLab: push from a ref by its bare name":     {kind: GitLab, claims: "project_id=20 ref=main", may: push, says: []string{"--claim ref_protected=true"}},
		"GitLab: push from an environment":             {kind: GitLab, claims: "project_id=20 environment=production", may: push, says: []string{"--claim environment_protected=true"}},
		"GitLab: push from branches that end so":       {kind: GitLab, claims: "project_id=20 ref=*-stable", may: push, err: ErrUnprotected},
		"GitLab: push from a protected environment":    {kind: GitLab, claims: "project_id=20 environment=production environment_protected=true", may: push},
		"GitLab: push by merge requests":               {kind: GitLab, claims: "project_id=20 ref=main pipeline_source=merge_request_event", may: push, err: ErrUnprotected},
		"GitLab: pull by merge requests from forks":    {kind: GitLab, claims: "project_id=20 pipeline_source=merge_request_event", may: pull, says: []string{"job_project_id"}},
		"GitLab: pull in the project that runs it":     {kind: GitLab, claims: "job_project_id=20 pipeline_source=merge_request_event", may: pull},
		"GitLab: push where forks' jobs run":           {kind: GitLab, claims: "job_project_id=20 ref_protected=true", may: push, err: ErrUnprotected, says: []string{"--claim project_id=ID"}},
		"GitLab: push where forks' jobs run, not they": {kind: GitLab, claims: "job_project_id=20 project_id=20 ref_protected=true", may: push},
		"Buildkite: by id":                             {kind: Buildkite, claims: "organization_id=o pipeline_id=p build_branch=main", may: push},
		"Buildkite: no owner":                          {kind: Buildkite, claims: "pipeline_slug=app build_branch=main", may: pull, err: ErrNoOwner, says: []string{"organization_id"}},
		"Buildkite: owner by name":                     {kind: Buildkite, claims: "organization_slug=octo build_branch=main", may: push, says: []string{"--claim organization_id=ID"}},
		"Buildkite: sub":                               {kind: Buildkite, claims: "sub=organization:octo:pipeline:app:ref:refs/heads/main:commit:*", may: push},
		"Buildkite: sub of any branch":                 {kind: Buildkite, claims: "sub=organization:octo:pipeline:app:ref:refs/heads/*:commit:*", may: push, err: ErrUnprotected},
		"Buildkite: sub with a wildcard over owners":   {kind: Buildkite, claims: "sub=organization:*:pipeline:app:ref:refs/heads/main:commit:*", may: pull, err: ErrNoOwner},
		"Buildkite: push from anywhere":                {kind: Buildkite, claims: "organization_id=o", may: push, err: ErrUnprotected},
		"CircleCI: whole":                              {kind: CircleCI, claims: "oidc.circleci.com/project-id=p oidc.circleci.com/vcs-ref=refs/heads/main oidc.circleci.com/ssh-rerun=false", may: push},
		"CircleCI: again with SSH":                     {kind: CircleCI, claims: "oidc.circleci.com/project-id=p oidc.circleci.com/vcs-ref=refs/heads/main", may: push, err: ErrUnprotected, says: []string{"ssh-rerun=false"}},
		"CircleCI: again with SSH, pulling":            {kind: CircleCI, claims: "oidc.circleci.com/project-id=p", may: pull, says: []string{"ssh-rerun=false"}},
		"CircleCI: push from anywhere":                 {kind: CircleCI, claims: "oidc.circleci.com/project-id=p oidc.circleci.com/ssh-rerun=false", may: push, err: ErrUnprotected},
		"CircleCI: no owner at the root issuer":        {kind: CircleCI, url: "https://oidc.circleci.com", claims: "oidc.circleci.com/vcs-ref=refs/heads/main oidc.circleci.com/ssh-rerun=false", may: push, err: ErrNoOwner, says: []string{"oidc.circleci.com/org-id=ID"}},
		"CircleCI: owner at the root issuer":           {kind: CircleCI, url: "https://oidc.circleci.com/", claims: "oidc.circleci.com/org-id=o oidc.circleci.com/vcs-ref=refs/heads/main oidc.circleci.com/ssh-rerun=false", may: push},
		"CircleCI: wildcard over the organization":     {kind: CircleCI, url: "https://oidc.circleci.com", claims: "sub=org/*/project/p/**", may: pull, err: ErrNoOwner},
		"CircleCI: sub":                                {kind: CircleCI, claims: "sub=org/o/project/p/user/*/vcs-origin/github.com/octo/app/vcs-ref/refs/heads/main oidc.circleci.com/ssh-rerun=false", may: push},
		"CircleCI: sub with a branch of any beginning": {kind: CircleCI, claims: "sub=org/o/project/p/user/**/vcs-ref/refs/heads/main oidc.circleci.com/ssh-rerun=false", may: push, err: ErrUnprotected},
		"Bitbucket: whole":                             {kind: Bitbucket, claims: "repositoryUuid={r} branchName=main", may: push},
		"Bitbucket: push from anywhere":                {kind: Bitbucket, claims: "repositoryUuid={r}", may: push, err: ErrUnprotected},
		"Bitbucket: id without braces":                 {kind: Bitbucket, claims: "repositoryUuid=r", may: pull, says: []string{"'repositoryUuid={r}'"}},
		"Kubernetes: service account":                  {kind: Kubernetes, claims: "sub=system:serviceaccount:prod:builder", may: push},
		"Kubernetes: namespace and name":               {kind: Kubernetes, claims: "kubernetes.io/namespace=prod kubernetes.io/serviceaccount/name=builder", may: push},
		"Kubernetes: namespaces of a team, pulling":    {kind: Kubernetes, claims: "sub=system:serviceaccount:team-*:*", may: pull},
		"Kubernetes: namespaces of a team, pushing":    {kind: Kubernetes, claims: "sub=system:serviceaccount:team-*:*", may: push, err: ErrUnprotected},
		"Kubernetes: any namespace":                    {kind: Kubernetes, claims: "sub=system:serviceaccount:*:default", may: pull, err: ErrUnprotected, says: []string{"kubernetes.io/namespace=NAMESPACE"}},
		"Kubernetes: name in any namespace":            {kind: Kubernetes, claims: "kubernetes.io/serviceaccount/name=builder", may: pull, err: ErrUnprotected},
		"Kubernetes: claim of a legacy token":          {kind: Kubernetes, claims: "kubernetes.io/namespace=prod kubernetes.io/serviceaccount/namespace=prod", may: pull, says: []string{"did you mean kubernetes.io/namespace?"}},
		"Google: account":                              {kind: Google, claims: "sub=1047", may: push},
		"Google: address":                              {kind: Google, claims: "email=ci@p.iam.gserviceaccount.com email_verified=true", may: push, says: []string{"--claim sub=ID"}},
		"Google: address that may be anybody's":        {kind: Google, claims: "email=ci@p.iam.gserviceaccount.com", may: pull, err: ErrNoOwner, says: []string{"email_verified=true"}},
		"Google: no owner":                             {kind: Google, claims: "email_verified=true", may: pull, err: ErrNoOwner},
		"Google: domain alone may not push":            {kind: Google, claims: "hd=example.com", may: push, err: ErrUnprotected},
		"generic: anything":                            {kind: Generic, claims: "sub=ci", may: push},
		"generic: every token":                         {kind: Generic, claims: "sub=** iss=*", may: pull, err: ErrUnprotected},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.url
			if url == "" {
				url = issuerURLs[c.kind]
			}
			i := Issuer{Name: "issuer", URL: url, Kind: c.kind}
			require.NoError(t, i.Validate())
			b := Binding{Name: "b", Issuer: "issuer", Robot: subject.Ref{Kind: subject.Robot, Name: "ci"}, Claims: conditions(t, strings.Fields(c.claims)...)}
			b.Scopes = permissions(t, strings.Fields(c.scopes)...)
			require.NoError(t, b.Validate())
			warnings, err := CheckBinding(i, b, permissions(t, c.may))
			require.ErrorIs(t, err, c.err)
			if c.err != nil {
				for _, text := range c.says {
					require.ErrorContains(t, err, text)
				}
				b.AllowUnprotected = true
				warnings, allowed := CheckBinding(i, b, permissions(t, c.may))
				if c.err == ErrNoOwner { //nolint:errorlint // of the table
					require.ErrorIs(t, allowed, ErrNoOwner, "nothing allows it")
				} else {
					require.NoError(t, allowed)
					assert.NotEmpty(t, warnings, "what is allowed is told")
				}
				return
			}
			if assert.Len(t, warnings, len(c.says), "%q", warnings) {
				for n, text := range c.says {
					assert.Contains(t, string(warnings[n]), text)
				}
			}
		})
	}
}

func TestWarningHasTheCommandThatAddsTheID(t *testing.T) {
	i := Issuer{Name: "gh", URL: issuerURLs[GitHub], Kind: GitHub}
	b := Binding{
		Name: "app", Issuer: "gh", Robot: subject.Ref{Kind: subject.Robot, Name: "ci"},
		Claims: conditions(t, "repository=octo/app", "workflow=it's mine"), Scopes: permissions(t, "repository:team/*:pull"), Session: MinSession,
	}
	warnings, err := CheckBinding(i, b, permissions(t, "repository:**:*"))
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	assert.Contains(t, string(warnings[0]), `rbac binding remove app && rbac binding add app --issuer gh --robot robot:ci --claim repository=octo/app `+
		`--claim 'workflow=it'\''s mine' --claim repository_id=ID --scope 'repository:team/*:pull' --session 1m0s (ID: gh api repos/octo/app --jq .id)`)
}

func TestKindsExplainTheirClaims(t *testing.T) {
	for _, k := range Kinds {
		parsed, err := ParseKind(string(k))
		require.NoError(t, err)
		assert.Equal(t, k, parsed)
		assert.NotEmpty(t, k.Title())
		names := make(map[string]bool)
		for _, claim := range k.KnownClaims() {
			assert.False(t, names[claim.Name], "%s: %s stands twice", k, claim.Name)
			assert.NotEmpty(t, claim.Help, claim.Name)
			names[claim.Name] = true
		}
		assert.Equal(t, k == Generic, len(names) == 0, k)
		for _, claim := range k.KnownClaims() {
			for _, of := range claim.IDOf {
				assert.True(t, names[of], "%s: %s is an id of the unknown %s", k, claim.Name, of)
			}
		}
	}
	_, err := ParseKind("jenkins")
	assert.ErrorIs(t, err, ErrInvalidKind)
}
