package access

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/accesstest"
)

func TestPermissionsWithPlaceholders(t *testing.T) {
	for name, tc := range map[string]struct {
		in, fault    string
		placeholders []string
	}{
		"a namespace":          {in: "namespace:{k8s.namespace}:pull", placeholders: []string{"k8s.namespace"}},
		"two":                  {in: "repository:{k8s.namespace}/{k8s.account}/**:push", placeholders: []string{"k8s.namespace", "k8s.account"}},
		"with the username":    {in: "repository:{username}/{ns}/x-{username}:push", placeholders: []string{"ns"}},
		"with wildcards":       {in: "repository:*/{ns}/**:pull", placeholders: []string{"ns"}},
		"beside a text":        {in: "repository:team-{ns}/app:pull", fault: "{ns} does not stand alone between slashes"},
		"beside a wildcard":    {in: "repository:{ns}*/app:pull", fault: "{ns} does not stand alone"},
		"beside another":       {in: "repository:{a}-{b}/app:pull", fault: "{a} does not stand alone"},
		"as a host":            {in: "repository:{ns}:5000/app:pull", fault: "{ns} does not stand alone"},
		"almost {username}":    {in: "repository:{user_name}/app:pull", fault: "only {username} is known"},
		"with capital letters": {in: "repository:{Ns}/app:pull", fault: "only {username} is known"},
		"without a name":       {in: "repository:{}/app:pull", fault: "only {username} is known"},
		"not closed":           {in: "repository:{ns/app:pull", fault: "only {username} is known"},
		"not opened":           {in: "repository:ns}/app:pull", fault: "only {username} is known"},
		"nested":               {in: "repository:{{ns}}/app:pull", fault: "{ns} does not stand alone"},
		"a long name":          {in: "repository:{" + strings.Repeat("n", MaxPlaceholderLength+1) + "}/app:pull", fault: "only {username} is known"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParsePermission(tc.in)
			if tc.fault != "" {
				require.ErrorIs(t, err, ErrInvalidPermission)
				require.ErrorContains(t, err, tc.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.placeholders, p.Placeholders())
			assert.Equal(t, tc.in, p.String())
			require.NoError(t, p.Validate())
		})
	}
}

func TestPlaceholdersStandForValues(t *testing.T) {
	rights := NewRights("k8s", permissions(t, "namespace:{ns}:pull", "repository:shared/{ns}/{account}:push", "repository:base:pull"))
	for name, tc := range map[string]struct {
		values Values
		want   map[string]Actions
	}{
		"none":                  {nil, map[string]Actions{"base": Pull, "team-a": 0, "ns": 0, "{ns}": 0}},
		"one":                   {Values{"ns": "team-a"}, map[string]Actions{"team-a": Pull, "team-a/app/x": Pull, "team-b": 0, "team-ab/x": 0, "base": Pull, "shared/team-a/app": 0}},
		"both":                  {Values{"ns": "team-a", "account": "app"}, map[string]Actions{"shared/team-a/app": Pull | Push, "shared/team-a/b": 0, "shared/app/team-a": 0}},
		"a slash":               {Values{"ns": "team-a/app"}, map[string]Actions{"team-a/app": 0, "team-a": 0, "app": 0}},
		"a wildcard":            {Values{"ns": "*"}, map[string]Actions{"team-a": 0, "a": 0}},
		"many components":       {Values{"ns": "**"}, map[string]Actions{"team-a": 0, "a/b": 0}},
		"a placeholder":         {Values{"ns": "{account}", "account": "app"}, map[string]Actions{"app": 0, "{account}": 0}},
		"the username":          {Values{"ns": "{username}"}, map[string]Actions{"k8s": 0}},
		"empty":                 {Values{"ns": ""}, map[string]Actions{"a": 0, "": 0, "base": Pull}},
		"a host":                {Values{"ns": "host:5000"}, map[string]Actions{"host:5000/a": 0}},
		"capital letters":       {Values{"ns": "Team"}, map[string]Actions{"team": 0, "Team": 0}},
		"of another name alone": {Values{"other": "team-a"}, map[string]Actions{"team-a": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			with := rights.With(tc.values)
			for repository, want := range tc.want {
				assert.Equal(t, want, with.Allowed(Repository, repository), repository)
			}
			assert.Zero(t, rights.Allowed(Repository, "team-a"), "the rights without values have none by now")
		})
	}
	plain := NewRights("k8s", permissions(t, "namespace:team:pull"))
	assert.Same(t, plain, plain.With(Values{"ns": "a"}), "nothing to stand for")
}

// TestValuesNeverWiden is the property of values: whatever a token says, permissions
// give what they give where the value is written out, and only if it is one component;
// and what one value is given is nothing to another.
func TestValuesNeverWiden(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	parts := append(accesstest.Parts(), "{ns}", "{ns}", "{acc}", "*", "**", "{username}", "a*")
	texts := []string{"a", "b", "ab", "a-b", "bob", "ba", "alice", "a", "b", "ab", "*", "**", "a/b", "/", "", "..", "A", "{acc}", "{ns}", "{username}", "a*", "host:5000", "a\x00b", "ä", "a b"}
	granted := 0
	for range 50_000 {
		components := make([]string, 1+r.IntN(3))
		for i := range components {
			components[i] = accesstest.Pick(r, parts)
		}
		name := strings.Join(components, "/")
		p, err := ParsePermission(accesstest.Pick(r, []string{"repository:", "namespace:"}) + name + ":pull")
		require.NoError(t, err, name)
		values := Values{"ns": accesstest.Pick(r, texts), "acc": accesstest.Pick(r, texts)}
		asked := accesstest.RandomName(r, 0)
		got := NewRights("bob", []Permission{p}).With(values).Allowed(Repository, asked)

		// The same, written out: the value in its place if it is a component.
		usable, written := true, make([]string, len(components))
		for i, c := range components {
			written[i] = c
			if placeholder := strings.Trim(c, "{}"); c != placeholder && placeholder != "username" {
				written[i] = values[placeholder]
				usable = usable && accesstest.IsPart(written[i])
			}
		}
		want := Actions(0)
		if usable {
			out := p
			out.Name = strings.Join(written, "/")
			want = NewRights("bob", []Permission{out}).Allowed(Repository, asked)
		}
		require.Equal(t, want, got, "%s with %q on %q", p, values, asked)
		if got != 0 && slices.Contains(components, "{ns}") {
			granted++
			require.Contains(t, strings.Split(asked, "/"), values["ns"], "%s with %q opens %q", p, values, asked)
		}
	}
	assert.Greater(t, granted, 100, "too little was granted to say anything")
}
