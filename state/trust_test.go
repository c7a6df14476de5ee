package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// trusting is everything that a document can say of issuers and bindings.
const trusting = `version: dockit/v1
robots:
  - name: ci
issuers:
  - name: "007"
    url: "https://kubernetes.default.svc"
    kind: "kubernetes"
    audiences:
      - "registry-prod"
    jwks: "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
    max_age: "1h"
    disabled: true
  - name: github
    url: "https://token.actions.githubusercontent.com"
    kind: "github"
  - name: k8s
    url: "https://cluster.example.com"
    kind: "kubernetes"
    jwks_host: "10.0.0.1:6443"
    ca: |
      -----BEGIN CERTIFICATE-----
      MIIBdDCCARqgAwIBAgIRAN2YzAZnGDvFj1KLrpLzUvowCgYIKoZIzj0EAwIwEjEQ
      -----END CERTIFICATE-----
    bearer_file: "/var/run/secrets/kubernetes.io/serviceaccount/token"
bindings:
  - name: app-main
    issuer: "github"
    robot: "robot:ci"
    claims:
      - "ref=refs/heads/main"
      - "repository_id=74"
    expose:
      - "owner=repository_owner"
      - "ref.name=ref"
    scopes:
      - "repository:team/app:pull,push"
      - "repository:{owner}/app:pull"
    session: "1h30m"
  - name: open
    issuer: "github"
    robot: "robot:ci"
    claims:
      - "repository_owner_id=65"
    allow_unprotected: true
    disabled: true
`

// withoutCA is the same with no certificate, which would have to be a right one.
func withoutCA(text string) string {
	before, rest, _ := strings.Cut(text, "    ca: |\n")
	_, after, _ := strings.Cut(rest, "-----END CERTIFICATE-----\n")
	return before + after
}

func TestIssuersAndBindingsAreReadAndWritten(t *testing.T) {
	text := withoutCA(trusting)
	d := parse(t, text)
	require.Len(t, d.Issuers, 3)
	require.Len(t, d.Bindings, 2)
	assert.Equal(t, time.Hour, d.Issuers[0].MaxAge)
	assert.True(t, d.Issuers[0].Disabled)
	assert.Equal(t, state.Binding{
		Name: "app-main", Issuer: "github", Robot: subject.Ref{Kind: subject.Robot, Name: "ci"},
		Claims: []state.Condition{{Name: "ref", Value: "refs/heads/main"}, {Name: "repository_id", Value: "74"}},
		Expose: []state.Exposure{{Name: "owner", Claim: "repository_owner"}, {Name: "ref.name", Claim: "ref"}},
		Scopes: []access.Permission{
			{Type: access.Repository, Name: "team/app", Actions: access.Pull | access.Push}, {Type: access.Repository, Name: "{owner}/app", Actions: access.Pull},
		},
		Session: 90 * time.Minute,
	}, d.Bindings[0])
	for _, format := range []state.Format{state.YAML, state.JSON} {
		written, err := d.Bytes(format)
		require.NoError(t, err)
		if format == state.YAML {
			assert.Equal(t, text, string(written))
		}
		assert.Equal(t, d, parse(t, string(written)), "%s", written)
		require.NoError(t, validate(t, compileSchema(t), written))
	}
	// In another order, and without what is a default.
	other := parse(t, `version: dockit/v1
bindings:
  - {claims: ["repository_id=74", "ref=refs/heads/main"], robot: "robot:ci", issuer: github, name: b}
issuers:
  - name: github
    kind: github
    url: https://token.actions.githubusercontent.com
`)
	assert.Equal(t, "ref=refs/heads/main", other.Bindings[0].Claims[0].String())
}

func TestCertificatesAreWrittenAsLines(t *testing.T) {
	d := parse(t, withoutCA(trusting))
	d.Issuers[2].CA = "-----BEGIN CERTIFICATE-----\nMIIBdDCCARqgAwIBAgIRAN2YzAZnGDvFj1KLrpLzUvowCgYIKoZIzj0EAwIwEjEQ\n-----END CERTIFICATE-----\n"
	written, err := d.Bytes(state.YAML)
	require.NoError(t, err)
	assert.Equal(t, trusting, string(written))
}

func TestIssuersAndBindingsAreRefused(t *testing.T) {
	const issuer = "version: dockit/v1\nissuers:\n  - name: a\n    url: https://a.example.com\n"
	const binding = "version: dockit/v1\nbindings:\n  - name: b\n    issuer: a\n    robot: robot:ci\n    claims: [sub=x]\n"
	for name, c := range map[string]struct {
		text, want string
		noSchema   bool
	}{
		"unknown field":        {issuer + "    colour: red\n", `line 5: issuer:a: unknown field "colour"`, false},
		"field twice":          {issuer + "    url: https://b.example.com\n", `line 5: issuer:a: field "url" is given twice`, true},
		"no name":              {"version: dockit/v1\nissuers:\n  - url: https://a.example.com\n", "line 3: issuer: the name is missing", false},
		"no URL":               {"version: dockit/v1\nissuers:\n  - name: a\n", "line 3: issuer:a: invalid issuer a: the URL", false},
		"http":                 {"version: dockit/v1\nissuers:\n  - name: a\n    url: http://a.example.com\n", "https", true},
		"unknown kind":         {issuer + "    kind: jenkins\n", "line 5: issuer:a: invalid kind of issuer", false},
		"issuer twice":         {issuer + "  - name: a\n    url: https://b.example.com\n", "line 5: issuer:a: issuer a is listed twice", true},
		"max age is a number":  {issuer + "    max_age: 3600\n", "line 5: issuer:a: max_age must be text, not a number", false},
		"no time":              {issuer + "    max_age: \"0\"\n", "leave it out for the default", true},
		"issuer is a text":     {"version: dockit/v1\nissuers:\n  - github\n", "must be written as fields with values", false},
		"user in a binding":    {strings.Replace(binding, "robot:ci", "user:alice", 1), "no robot", false},
		"bare robot":           {strings.Replace(binding, "robot:ci", "ci", 1), "line 5: binding:b: robot: invalid kind of subject", false},
		"no condition":         {strings.Replace(binding, "    claims: [sub=x]\n", "", 1), "no conditions", false},
		"condition of a name":  {strings.Replace(binding, "sub=x", "sub", 1), "line 6: binding:b: claims: invalid condition", false},
		"number as condition":  {strings.Replace(binding, "sub=x", "74", 1), "line 6: binding:b: claims must be text", false},
		"condition twice":      {strings.Replace(binding, "sub=x", "sub=x, sub=x", 1), "twice", false},
		"bad scope":            {binding + "    scopes: [team/app]\n", "line 7: binding:b: scopes: ", false},
		"bad exposure":         {binding + "    expose: [ns]\n", "line 7: binding:b: expose: invalid exposure", false},
		"exposed twice":        {binding + "    expose: [ns=a, ns=b]\n", "{ns} is exposed twice", true},
		"long session":         {binding + "    session: 25h\n", "choose 1m to 24h", true},
		"binding twice":        {binding + "  - name: b\n    issuer: a\n    robot: robot:ci\n    claims: [sub=y]\n", "line 7: binding:b: binding b is listed twice", true},
		"issuers without list": {"version: dockit/v1\nissuers: none\n", "issuers must be a list", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := state.Parse(strings.NewReader(c.text))
			require.ErrorIs(t, err, state.ErrInvalid)
			require.ErrorContains(t, err, c.want)
			if !c.noSchema {
				require.Error(t, validate(t, compileSchema(t), []byte(c.text)))
			}
		})
	}
}

// planned compares a document with the issuers, bindings and subjects of another.
func planned(t *testing.T, current, wanted string, o state.Options) (state.Plan, error) {
	t.Helper()
	d, err := state.NewDiffer(parse(t, wanted), o)
	require.NoError(t, err)
	is := parse(t, current)
	for _, s := range is.Subjects {
		require.NoError(t, d.Current(s))
	}
	for _, i := range is.Issuers {
		d.CurrentIssuer(i)
	}
	for _, b := range is.Bindings {
		d.CurrentBinding(b)
	}
	return d.Plan()
}

func TestPlanOfIssuersAndBindings(t *testing.T) {
	const one = `version: dockit/v1
robots: [{name: ci}, {name: cd}]
issuers:
  - {name: github, url: "https://token.actions.githubusercontent.com", kind: github}
bindings:
  - {name: app, issuer: github, robot: "robot:ci", claims: ["repository_id=74", "ref=refs/heads/main"], session: 6h}
`
	const another = `version: dockit/v1
robots: [{name: ci}, {name: cd}]
issuers:
  - {name: github, url: "https://token.actions.githubusercontent.com", kind: github, max_age: 1h, audiences: [a]}
  - {name: gitlab, url: "https://gitlab.example.com", kind: gitlab}
bindings:
  - {name: app, issuer: github, robot: "robot:cd", claims: ["repository_id=74", "ref=refs/heads/*"]}
`
	plan, err := planned(t, one, another, state.Options{})
	require.NoError(t, err)
	assert.Equal(t, `  issuer:github
+   audience a
-   max_age 1d
+   max_age 1h
+ issuer:gitlab
+   kind gitlab
+   max_age 1d
+   url https://gitlab.example.com
  binding:app
-   claim ref=refs/heads/main
+   claim ref=refs/heads/*
-   robot robot:ci
+   robot robot:cd
`, plan.String())
	created, updated, removed := plan.Counts()
	assert.Equal(t, [3]int{1, 2, 0}, [3]int{created, updated, removed})
	assert.False(t, plan.Empty())
	assert.Equal(t, time.Hour, plan.Issuers[0].Issuer.MaxAge)

	plan, err = planned(t, one, one, state.Options{Prune: true})
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%s", plan)
	plan, err = planned(t, one, "version: dockit/v1\nrobots: [{name: ci}, {name: cd}]\n", state.Options{})
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "what is not listed stays")
	plan, err = planned(t, another, "version: dockit/v1\nrobots: [{name: ci}, {name: cd}]\n", state.Options{Prune: true})
	require.NoError(t, err)
	_, _, removed = plan.Counts()
	assert.Equal(t, 3, removed)
	assert.Contains(t, plan.String(), "- binding:app\n-   claim ref=refs/heads/*\n")
	plan, err = planned(t, one, another, state.Options{Add: true})
	require.NoError(t, err)
	require.Len(t, plan.Issuers, 1, "what is there stays as it is")
	assert.Empty(t, plan.Bindings)
}

func TestBindingsNameWhatIsThere(t *testing.T) {
	const there = "version: dockit/v1\nrobots: [{name: ci}]\nusers: [{name: bob}]\nissuers:\n  - {name: a, url: \"https://a.example.com\"}\n"
	binding := func(issuer, robot string) string {
		return "bindings:\n  - {name: b, issuer: " + issuer + ", robot: \"robot:" + robot + "\", claims: [sub=x]}\n"
	}
	for name, c := range map[string]struct {
		wanted string
		prune  bool
		fits   bool
	}{
		"both are there":         {"version: dockit/v1\n" + binding("a", "ci"), false, true},
		"both are listed":        {there + binding("a", "ci"), true, true},
		"no issuer":              {"version: dockit/v1\n" + binding("x", "ci"), false, false},
		"no robot":               {"version: dockit/v1\n" + binding("a", "x"), false, false},
		"a user has the name":    {"version: dockit/v1\n" + binding("a", "bob"), false, false},
		"the issuer is to go":    {"version: dockit/v1\nrobots: [{name: ci}]\n" + binding("a", "ci"), true, false},
		"the robot is to go":     {"version: dockit/v1\nissuers:\n  - {name: a, url: \"https://a.example.com\"}\n" + binding("a", "ci"), true, false},
		"the issuer is to come":  {"version: dockit/v1\nissuers:\n  - {name: n, url: \"https://n.example.com\"}\n" + binding("n", "ci"), false, true},
		"the robot is to become": {"version: dockit/v1\nrobots: [{name: new}]\n" + binding("a", "new"), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planned(t, there, c.wanted, state.Options{Prune: c.prune})
			if c.fits {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, state.ErrConflict)
			}
		})
	}
}

func TestWriterKeepsTheOrderOfIssuersAndBindings(t *testing.T) {
	d := parse(t, withoutCA(trusting))
	var out strings.Builder
	w := state.NewWriter(&out, state.JSON)
	require.NoError(t, w.WriteIssuer(d.Issuers[1]))
	require.Error(t, w.WriteIssuer(d.Issuers[0]))
	require.Error(t, w.Write(d.Subjects[0]))
	require.NoError(t, w.WriteBinding(d.Bindings[0]))
	require.Error(t, w.WriteIssuer(d.Issuers[2]))
	require.NoError(t, w.Close())
	parse(t, out.String())
}
