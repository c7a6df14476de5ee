package verifier

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

// TestEachKindLogsIn: a job or workload of each kind comes in by the claims that
// stay what they are, and says for people which one it is.
func TestEachKindLogsIn(t *testing.T) {
	for name, c := range map[string]struct {
		kind   federation.Kind
		claims map[string]any
		by     string
		job    string
	}{
		"GitHub":         {federation.GitHub, issuertest.GitHub(), "repository_id=74 ref=refs/heads/main event_name=push", "repository=octo/app run_id=1001 run_attempt=2 check_run_id=31 actor=mona"},
		"GitHub by ids":  {federation.GitHub, issuertest.GitHubByID(), "repository_id=74 ref=refs/heads/main event_name=push", "repository=octo/app run_id=1001 run_attempt=2 check_run_id=31 actor=mona"},
		"Forgejo":        {federation.GitHub, issuertest.Forgejo(), "repository_id=74 ref=refs/heads/main event_name=push", "repository=octo/app run_id=1001 run_attempt=1 actor=mona"},
		"GitLab":         {federation.GitLab, issuertest.GitLab(), "project_id=20 ref_protected=true", "project_path=group/app job_project_path=group/app pipeline_id=574 job_id=302 user_login=mona"},
		"Buildkite":      {federation.Buildkite, issuertest.Buildkite(), "pipeline_id=0184990a-4782 build_branch=main", "pipeline_slug=app build_number=1 job_id=0184990a-aaaa"},
		"CircleCI":       {federation.CircleCI, issuertest.CircleCI(), "oidc.circleci.com/project-id=2c3d oidc.circleci.com/context-ids=8c9d oidc.circleci.com/ssh-rerun=false", "oidc.circleci.com/project-id=2c3d oidc.circleci.com/job-id=j1"},
		"Bitbucket":      {federation.Bitbucket, issuertest.Bitbucket(), "repositoryUuid={aa11} branchName=main", "repositoryUuid={aa11} pipelineUuid={dd44} stepUuid={bb22}"},
		"Kubernetes":     {federation.Kubernetes, issuertest.Kubernetes("prod", "builder"), "sub=system:serviceaccount:prod:builder", "kubernetes.io/namespace=prod kubernetes.io/serviceaccount/name=builder kubernetes.io/pod/name=builder-0 kubernetes.io/node/name=node-1"},
		"Kubernetes uid": {federation.Kubernetes, issuertest.Kubernetes("prod", "builder"), "kubernetes.io/serviceaccount/uid=uid-of-builder", "kubernetes.io/namespace=prod kubernetes.io/serviceaccount/name=builder kubernetes.io/pod/name=builder-0 kubernetes.io/node/name=node-1"},
		"Google":         {federation.Google, issuertest.Google(), "google/compute_engine/project_number=1047 email_verified=true", "email=ci@octo.iam.gserviceaccount.com google/compute_engine/instance_name=ci"},
		"generic":        {federation.Generic, map[string]any{"sub": "spiffe://td/ci"}, "sub=spiffe://td/ci", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
			f.trusts("idp", c.kind, i)
			f.binds("app", "idp", "ci", c.by)
			token := i.Sign(t, i.Claims(f.now, service, c.claims))
			for _, username := range []string{"ci", AnyRobot} {
				login, err := f.verify(username, token)
				require.NoError(t, err)
				assert.Equal(t, "robot:ci", login.Binding.Robot.String())
				assert.Equal(t, "idp", login.Issuer)
				assert.Equal(t, c.claims["sub"], login.Subject)
				assert.Equal(t, f.now.Add(6*time.Minute), login.Until)
				assert.Equal(t, c.by, words(login.Claims))
				assert.Equal(t, c.job, words(login.Job))
			}
			assert.Empty(t, f.refusals)
		})
	}
}

// words writes claims as conditions are written.
func words(claims []Claim) string {
	all := make([]string, len(claims))
	for n, c := range claims {
		all[n] = c.Name + "=" + c.Value
	}
	return strings.Join(all, " ")
}

// TestTraps are tokens that look right, each refused for its own reason.
func TestTraps(t *testing.T) {
	other := issuertest.Offline(t, "https://idp.example.com")
	gitHub, gitLab := federation.GitHub, federation.GitLab
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	with := func(m map[string]any, more ...any) map[string]any {
		all := maps.Clone(m)
		for n := 0; n < len(more); n += 2 {
			all[more[n].(string)] = more[n+1]
		}
		return all
	}
	for name, c := range map[string]struct {
		kind   federation.Kind
		by     string
		claims map[string]any
		sign   func(*testing.T, *issuertest.Issuer, map[string]any) string // default: as it should be
		reason Reason
		says   string // in the sentence
	}{
		"renamed repository":             {gitHub, "repository_id=74", with(issuertest.GitHub(), "repository_id", "901"), nil, Conditions, `repository_id is "901"`},
		"name of a repository that went": {gitHub, "repository=octo/app repository_owner_id=65", with(issuertest.GitHub(), "repository_owner_id", "902"), nil, Conditions, "repository_owner_id"},
		"another branch":                 {gitHub, "repository_id=74 ref=refs/heads/main", with(issuertest.GitHub(), "ref", "refs/heads/dev"), nil, Conditions, `ref is "refs/heads/dev"`},
		"branch that begins alike":       {gitHub, "repository_id=74 ref=refs/heads/main", with(issuertest.GitHub(), "ref", "refs/heads/main2"), nil, Conditions, "ref"},
		"pull request":                   {gitHub, "repository_id=74 ref=refs/heads/main", issuertest.GitHubPullRequest(), nil, Conditions, "refs/pull/7/merge"},
		"environment instead of a ref":   {gitHub, "repository_id=74 environment=release", issuertest.GitHub(), nil, Conditions, "environment is missing"},
		"fork's merge request":           {gitLab, "project_id=20 ref=main", issuertest.GitLabFork(), nil, Conditions, `project_id is "901"`},
		"fork's merge request run there": {gitLab, "job_project_id=20 ref_protected=true", issuertest.GitLabFork(), nil, Conditions, `ref_protected is "false"`},
		"run again with SSH":             {federation.CircleCI, "oidc.circleci.com/project-id=2c3d oidc.circleci.com/ssh-rerun=false", with(issuertest.CircleCI(), "oidc.circleci.com/ssh-rerun", true), nil, Conditions, `"true"`},
		"another context":                {federation.CircleCI, "oidc.circleci.com/context-ids=6a7b", with(issuertest.CircleCI(), "oidc.circleci.com/context-ids", []string{"x", "y"}), nil, Conditions, "context-ids"},
		"another namespace":              {federation.Kubernetes, "kubernetes.io/namespace=prod kubernetes.io/serviceaccount/name=builder", issuertest.Kubernetes("dev", "builder"), nil, Conditions, `"dev"`},
		"flat claims of a legacy token":  {federation.Kubernetes, "sub=system:serviceaccount:prod:builder", with(issuertest.KubernetesLegacy("prod", "builder"), "iss", "https://idp.example.com", "aud", service, "exp", at(time.Hour), "iat", at(0)), nil, OtherToken, "kubectl create token"},
		"sub of another kind":            {federation.Kubernetes, "kubernetes.io/namespace=prod", with(issuertest.Kubernetes("prod", "builder"), "sub", "system:node:node-1"), nil, OtherToken, "no service account"},
		"address that is not verified":   {federation.Google, "email=ci@octo.iam.gserviceaccount.com email_verified=true", with(issuertest.Google(), "email_verified", false), nil, Conditions, "email_verified"},
		"foreign audience":               {gitHub, "repository_id=74", with(issuertest.GitHub(), "aud", "sts.amazonaws.com"), nil, WrongAudience, `"registry.example.com" or "https://registry.example.com"`},
		"two audiences":                  {gitHub, "repository_id=74", with(issuertest.GitHub(), "aud", []string{service, "sts.amazonaws.com"}), nil, WrongAudience, "sts.amazonaws.com"},
		"missing audience":               {gitHub, "repository_id=74", with(issuertest.GitHub(), "aud", nil), nil, MissingClaim, "no aud"},
		"expired":                        {gitHub, "repository_id=74", with(issuertest.GitHub(), "exp", at(-time.Hour)), nil, Expired, "ask for a fresh one"},
		"without an end":                 {gitHub, "repository_id=74", with(issuertest.GitHub(), "exp", nil), nil, MissingClaim, "no exp"},
		"not yet valid":                  {gitHub, "repository_id=74", with(issuertest.GitHub(), "nbf", at(time.Hour)), nil, NotYet, "clocks"},
		"issued in the future":           {gitHub, "repository_id=74", with(issuertest.GitHub(), "iat", at(time.Hour)), nil, NotYet, "clocks"},
		"too old":                        {gitHub, "repository_id=74", with(issuertest.GitHub(), "iat", at(-25*time.Hour)), nil, TooOld, "24h"},
		"alg none":                       {gitHub, "repository_id=74", issuertest.GitHub(), none, WrongAlgorithm, `"none"`},
		"alg HS256 with the public key":  {gitHub, "repository_id=74", issuertest.GitHub(), hmacWithPublicKey, WrongAlgorithm, "HS256"},
		"key of another issuer": {gitHub, "repository_id=74", issuertest.GitHub(), func(t *testing.T, _ *issuertest.Issuer, claims map[string]any) string {
			return other.Sign(t, claims)
		}, UnknownKey, "not known here"},
		"key of another issuer under its kid": {gitHub, "repository_id=74", issuertest.GitHub(), func(t *testing.T, i *issuertest.Issuer, claims map[string]any) string {
			return other.SignText(t, map[string]any{"kid": i.KeyID()}, document(t, claims))
		}, WrongSignature, "signature"},
		"key in its own header": {gitHub, "repository_id=74", issuertest.GitHub(), func(t *testing.T, i *issuertest.Issuer, claims map[string]any) string {
			own := jose.JSONWebKey{Key: other.Public(), KeyID: i.KeyID()}
			return other.SignText(t, map[string]any{"kid": i.KeyID(), "jwk": own, "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com/c.pem"}, document(t, claims))
		}, WrongSignature, "signature"},
		"no kid, and another key": {gitHub, "repository_id=74", issuertest.GitHub(), func(t *testing.T, _ *issuertest.Issuer, claims map[string]any) string {
			return other.SignText(t, map[string]any{"kid": nil}, document(t, claims))
		}, WrongSignature, "signature"},
		"a claim twice": {gitHub, "repository_id=74", nil, func(t *testing.T, i *issuertest.Issuer, claims map[string]any) string {
			text := strings.TrimSuffix(string(document(t, claims)), "}")
			return i.SignText(t, nil, []byte(text+`,"repository_id":"901","repository_id":"74"}`))
		}, Malformed, "twice"},
		"deep claims": {gitHub, "repository_id=74", nil, func(t *testing.T, i *issuertest.Issuer, claims map[string]any) string {
			text := strings.TrimSuffix(string(document(t, claims)), "}")
			return i.SignText(t, nil, []byte(text+`,"x":`+strings.Repeat("[", 900)+strings.Repeat("]", 900)+`}`))
		}, Malformed, "deeper"},
		"huge":     {gitHub, "repository_id=74", with(issuertest.GitHub(), "x", strings.Repeat("x", 24_576)), nil, TooLarge, "at most 24576"},
		"no claim": {gitHub, "repository_id=74", nil, nil, Conditions, "repository_id is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
			f.trusts("idp", c.kind, i)
			f.binds("app", "idp", "ci", c.by)
			claims := i.Claims(f.now, service, c.claims)
			sign := c.sign
			if sign == nil {
				sign = func(t *testing.T, i *issuertest.Issuer, claims map[string]any) string { return i.Sign(t, claims) }
			}
			token := sign(t, i, claims)
			recognized, err := f.Recognizes(t.Context(), Request{Token: token})
			require.NoError(t, err)
			assert.True(t, recognized, "it is no password")
			for n, username := range []string{"ci", AnyRobot} {
				why := f.refuses(username, token, c.reason)
				assert.Contains(t, why.Sentence, c.says)
				require.Len(t, f.refusals, n+1)
				kept := f.refusals[n]
				assert.Equal(t, Refusal{At: f.now, Request: Request{Service: service, Username: username, Address: "192.0.2.1", Client: "docker"}, Refused: why}, kept)
			}
		})
	}
}

func none(t *testing.T, _ *issuertest.Issuer, claims map[string]any) string {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims(claims)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return signed
}

func hmacWithPublicKey(t *testing.T, i *issuertest.Issuer, claims map[string]any) string {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims))
	token.Header["kid"] = i.KeyID()
	signed, err := token.SignedString(i.JWKS())
	require.NoError(t, err)
	return signed
}

func TestOtherIssuersAreNotRecognized(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://token.actions.githubusercontent.com")
	f.trusts("github", federation.GitHub, i)
	f.binds("app", "github", "ci", "repository_id=74")
	for name, iss := range map[string]string{
		"enterprise in the iss": i.URL + "/octo-inc", "slash": i.URL + "/", "capitals": strings.ToUpper(i.URL), "other": "https://evil.example.com", "none": "",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.verify("ci", i.Sign(t, i.Claims(f.now, service, issuertest.GitHub(), map[string]any{"iss": iss})))
			require.ErrorIs(t, err, ErrNotRecognized)
		})
	}
	_, err := f.verify("ci", "correct horse battery staple")
	require.ErrorIs(t, err, ErrNotRecognized)
	assert.Empty(t, f.refusals)
}

func TestUserName(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("a", "idp", "ci", "sub=job team=x")
	f.binds("b", "idp", "deploy", "sub=job env=prod")
	token := i.Sign(t, i.Claims(f.now, service, map[string]any{"sub": "job", "team": "x"}))
	both := i.Sign(t, i.Claims(f.now, service, map[string]any{"sub": "job", "team": "x", "env": "prod"}))

	assert.Equal(t, "a", f.takes("ci", token))
	assert.Equal(t, "a", f.takes(AnyRobot, token))
	assert.Contains(t, f.refuses("deploy", token, Conditions).Sentence, "env is missing")
	for _, username := range []string{"alice", "", "CI", "robot:ci", "*"} {
		why := f.refuses(username, token, NoBinding)
		assert.Contains(t, why.Sentence, fmt.Sprintf("%q", username))
	}
	assert.Equal(t, "b", f.takes("deploy", both))
	why := f.refuses(AnyRobot, both, Ambiguous)
	assert.Contains(t, why.Sentence, "a (robot:ci) and b (robot:deploy)")
	f.binds("b", "idp", "deploy", "sub=job env=prod", func(b *federation.Binding) { b.Disabled = true })
	assert.Equal(t, "a", f.takes(AnyRobot, both), "what is disabled is no second one")
	f.refuses("deploy", both, BindingDisabled)
}

func TestRobotWithSeveralBindingsGetsTheWidest(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	narrow := func(b *federation.Binding) {
		b.Scopes = []access.Permission{{Type: access.Repository, Name: "a", Actions: access.Pull}}
	}
	f.binds("a", "idp", "ci", "sub=job", narrow)
	f.binds("b", "idp", "ci", "sub=job", narrow)
	token := i.Sign(t, i.Claims(f.now, service, map[string]any{"sub": "job"}))
	assert.Equal(t, "a", f.takes("ci", token))
	f.binds("c", "idp", "ci", "sub=job")
	assert.Equal(t, "c", f.takes("ci", token))
}

func TestSentenceDoesNotSayWhatIsWanted(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.GitHub, i)
	f.binds("secret-project", "idp", "ci", "repository_id=74 ref=refs/heads/main")
	why := f.refuses(AnyRobot, i.Sign(t, i.Claims(f.now, service, issuertest.GitHub(), map[string]any{"repository_id": "9", "ref": "refs/heads/x"})), Conditions)
	for _, text := range []string{"secret-project", "74", "refs/heads/main"} {
		assert.NotContains(t, why.Sentence, text)
	}
	assert.Contains(t, why.Detail, `repository_id is "9", wanted is 74; ref is "refs/heads/x", wanted is refs/heads/main`)
	assert.Equal(t, "secret-project", why.Binding)
}

func TestAudiences(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	token := func(aud any) string { return i.Sign(t, i.Claims(f.now, "", map[string]any{"sub": "job", "aud": aud})) }
	f.takes("ci", token(service))
	f.takes("ci", token("https://"+service))
	f.takes("ci", token([]string{service, "https://" + service}))
	_, err := f.Verify(t.Context(), Request{Token: token(service), Service: "other.example.com", Username: "ci"})
	require.Error(t, err, "a token for one service is none for another, remembered or not")
	f.trusts("idp", federation.Generic, i, func(i *federation.Issuer) { i.Audiences = []string{"dockit", "ours"} })
	f.refuses("ci", token(service), WrongAudience)
	f.takes("ci", token("dockit"))
	f.takes("ci", token([]string{"ours", "dockit"}))
	_, err = f.Verify(t.Context(), Request{Token: token("dockit"), Service: "other.example.com", Username: "ci"})
	require.NoError(t, err, "audiences of the issuer are good for every service")
}

func TestTrustThatIsNotThere(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.err = errors.New("database is away")
	_, err := f.verify("ci", i.Sign(t, i.Claims(f.now, service)))
	require.ErrorIs(t, err, f.err)
	_, err = f.Recognizes(t.Context(), Request{Token: i.Sign(t, i.Claims(f.now, service))})
	require.ErrorIs(t, err, f.err)
	recognized, err := f.Recognizes(t.Context(), Request{Token: "correct horse battery staple"})
	require.NoError(t, err, "nobody needs to be asked about a password")
	assert.False(t, recognized)
}

// document is claims as JSON.
func document(t *testing.T, claims map[string]any) []byte {
	t.Helper()
	text, err := jsonOf(claims)
	require.NoError(t, err)
	return text
}
