package federation

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseCondition(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want Condition
		ok   bool
	}{
		"plain":                    {"repository_id=74", Condition{"repository_id", "74"}, true},
		"equals sign in the value": {"sub=a=b", Condition{"sub", "a=b"}, true},
		"slash in the name":        {"oidc.circleci.com/project-id=x", Condition{"oidc.circleci.com/project-id", "x"}, true},
		"wildcards":                {"ref=refs/**/v*", Condition{"ref", "refs/**/v*"}, true},
		"space in the value":       {"workflow=Build and push", Condition{"workflow", "Build and push"}, true},
		"no equals sign":           {in: "repository_id"},
		"no name":                  {in: "=74"},
		"no value":                 {in: "repository_id="},
		"space in the name":        {in: "repository id=74"},
		"line break":               {in: "a=b\nc"},
		"** beside others":         {in: "ref=refs/a**"},
		"long name":                {in: strings.Repeat("a", MaxClaimLength+1) + "=b"},
		"long value":               {in: "a=" + strings.Repeat("b", MaxValueLength+1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCondition(c.in)
			if !c.ok {
				require.ErrorIs(t, err, ErrInvalidCondition)
				assert.Less(t, len(err.Error()), 1_000)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.in, got.String())
		})
	}
}

func claims(t *testing.T, document string) Claims {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var c Claims
	require.NoError(t, decoder.Decode(&c))
	return c
}

func conditions(t *testing.T, texts ...string) []Condition {
	t.Helper()
	all := make([]Condition, len(texts))
	for i, text := range texts {
		require.NoError(t, all[i].UnmarshalText([]byte(text)))
	}
	return all
}

func TestMatch(t *testing.T) {
	const document = `{
		"sub": "repo:octo/app:ref:refs/heads/main", "ref": "refs/heads/feature/x", "repository_id": "74", "number": 74, "big": 10000000000000000000001, "float": 1.0,
		"verified": true, "ssh": false, "none": null, "empty": "", "list": ["a", "refs/heads/b", 3, {"x": "y"}, ["deep"]],
		"kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "builder"}, "a/b": "slashed"},
		"oidc.circleci.com/project-id": "p1", "oidc.circleci.com": {"project-id": "p2"}, "object": {}
	}`
	for name, c := range map[string]struct {
		conditions []string
		want       bool
	}{
		"equal":                               {[]string{"repository_id=74"}, true},
		"another":                             {[]string{"repository_id=75"}, false},
		"case counts":                         {[]string{"kubernetes.io/namespace=Prod"}, false},
		"no prefix":                           {[]string{"repository_id=7"}, false},
		"number by its text":                  {[]string{"number=74"}, true},
		"number too big for a float":          {[]string{"big=10000000000000000000001"}, true},
		"number too big for a float, another": {[]string{"big=10000000000000000000000"}, false},
		"number keeps its fraction":           {[]string{"float=1"}, false},
		"number with its fraction":            {[]string{"float=1.0"}, true},
		"true":                                {[]string{"verified=true"}, true},
		"false":                               {[]string{"ssh=false"}, true},
		"null is nothing":                     {[]string{"none=null"}, false},
		"null under a wildcard":               {[]string{"none=*"}, false},
		"empty meets nothing":                 {[]string{"empty=**"}, false},
		"absent":                              {[]string{"absent=*"}, false},
		"there at all":                        {[]string{"repository_id=*"}, true},
		"an object is nothing":                {[]string{"object=**"}, false},
		"one element of a list":               {[]string{"list=a"}, true},
		"pattern on an element":               {[]string{"list=refs/heads/*"}, true},
		"number in a list":                    {[]string{"list=3"}, true},
		"list in a list":                      {[]string{"list=deep"}, false},
		"nested":                              {[]string{"kubernetes.io/namespace=prod"}, true},
		"nested deeper":                       {[]string{"kubernetes.io/serviceaccount/name=builder"}, true},
		"nested, a name with a slash":         {[]string{"kubernetes.io/a/b=slashed"}, false},
		"beyond a text":                       {[]string{"sub/x=*"}, false},
		"the very name goes first":            {[]string{"oidc.circleci.com/project-id=p1"}, true},
		"the very name hides what is nested":  {[]string{"oidc.circleci.com/project-id=p2"}, false},
		"wildcard ends at a slash":            {[]string{"ref=refs/heads/*"}, false},
		"deep wildcard":                       {[]string{"ref=refs/heads/**"}, true},
		"wildcard in a sub":                   {[]string{"sub=repo:octo/*:ref:refs/heads/main"}, true},
		"same name: one of them":              {[]string{"repository_id=1", "repository_id=74"}, true},
		"same name: none of them":             {[]string{"repository_id=1", "repository_id=2"}, false},
		"different names: all hold":           {[]string{"repository_id=74", "verified=true"}, true},
		"different names: one does not":       {[]string{"repository_id=74", "verified=false"}, false},
		"different names in between":          {[]string{"repository_id=1", "verified=true", "repository_id=74"}, true},
		"no conditions":                       {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			findings, holds := Match(conditions(t, c.conditions...), claims(t, document))
			assert.Equal(t, c.want, holds)
			missed := 0
			for _, f := range findings {
				if !f.Holds {
					missed++
				}
			}
			view := NewView(claims(t, document))
			assert.Equal(t, missed, Compile(conditions(t, c.conditions...)).Missed(view, MaxConditions), "made ready, they say the same")
			assert.LessOrEqual(t, Compile(conditions(t, c.conditions...)).Missed(view, 1), 1)
		})
	}
}

func TestFindingsSayWhatTheTokenHas(t *testing.T) {
	document := `{"ref": "refs/heads/dev", "list": ["a", "b"], "long": "` + strings.Repeat("ä", 400) + `", "evil": "a\u001b[2Jb"}`
	findings, holds := Match(conditions(t, "ref=refs/heads/main", "ref=refs/tags/*", "list=b", "gone=x", "long=x", "evil=x"), claims(t, document))
	assert.False(t, holds)
	assert.Equal(t, []Finding{
		{Name: "ref", Want: []string{"refs/heads/main", "refs/tags/*"}, Got: "refs/heads/dev", Present: true},
		{Name: "list", Want: []string{"b"}, Got: `["a","b"]`, Present: true, Value: "b", Holds: true},
		{Name: "gone", Want: []string{"x"}},
		{Name: "long", Want: []string{"x"}, Got: strings.Repeat("ä", 64) + "…", Present: true},
		{Name: "evil", Want: []string{"x"}, Got: "a?[2Jb", Present: true},
	}, findings)
}

func TestTextsOfClaims(t *testing.T) {
	c := claims(t, `{"sub": "repo:octo/app", "none": null, "number": 74, "deep": {"namespace": "prod"}, "long": "`+strings.Repeat("a", 1_000)+`"}`)
	for name, want := range map[string]string{"sub": "repo:octo/app", "none": "", "absent": "", "number": "74", "deep/namespace": "prod"} {
		assert.Equal(t, want, c.Text(name), name)
	}
	assert.Equal(t, strings.Repeat("a", 128)+"…", c.Text("long"))
}
