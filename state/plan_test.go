package state_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

const (
	hashA = "$2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq"
	hashB = "$2y$10$c4TLH0CTjA36R.X7Mc8nXOXbPQlgoeFq0bAPMkVvmqSrqnO4SIlR2"
)

// diff passes a whole document to a Differ.
func diff(current, wanted *state.Document, o state.Options) (state.Plan, error) {
	d, err := state.NewDiffer(wanted, o)
	if err != nil {
		return state.Plan{}, err
	}
	for _, s := range current.Subjects {
		if err := d.Current(s); err != nil {
			return state.Plan{}, err
		}
	}
	return d.Plan()
}

func TestDiff(t *testing.T) {
	const header = "version: dockit/v1\n"
	for _, tc := range []struct {
		name             string
		current, wanted  string
		options          state.Options
		want             string
		created, updated int
		removed          int
	}{
		{
			name:    "nothing to do",
			current: "users:\n  - name: alice\n    admin: true\n",
			wanted:  "users:\n  - name: alice\n    admin: true\n",
		},
		{
			name:   "new subjects",
			wanted: "users:\n  - name: alice\n    admin: true\n    password_hash: " + hashA + "\n    permissions: [\"repository:a:pull\"]\ngroups:\n  - name: dev\n    disabled: true\n    members: [\"user:alice\"]\n",
			want: `+ user:alice
+   admin
+   password
+   permission repository:a:pull
+ group:dev
+   disabled
+   member user:alice
`,
			created: 2,
		},
		{
			name: "changes",
			current: "users:\n  - name: alice\n    admin: true\n    permissions: [\"repository:a:pull\", \"repository:b:pull\", \"registry:catalog:*\"]\n" +
				"robots:\n  - name: ci\ngroups:\n  - name: dev\n    members: [\"user:alice\"]\n",
			wanted: "users:\n  - name: alice\n    disabled: true\n    permissions: [\"repository:a:push\", \"repository:b:pull\", \"repository:c:*\"]\n" +
				"groups:\n  - name: dev\n    members: [\"robot:ci\"]\n",
			want: `  user:alice
-   admin
+   disabled
-   permission registry:catalog:*
-   permission repository:a:pull
+   permission repository:a:push
+   permission repository:c:*
  group:dev
-   member user:alice
+   member robot:ci
`,
			updated: 2,
		},
		{
			name:    "unlisted subjects stay",
			current: "users:\n  - name: alice\n  - name: bob\n",
			wanted:  "users:\n  - name: alice\n",
		},
		{
			name:    "unlisted subjects go with prune",
			current: "users:\n  - name: alice\n  - name: anonymous\n    permissions: [\"repository:a:pull\"]\ngroups:\n  - name: dev\n    members: [\"user:alice\"]\n    permissions: [\"repository:a:pull\"]\n",
			wanted:  "users:\n  - name: bob\n",
			options: state.Options{Prune: true},
			want: `- user:alice
  user:anonymous
-   permission repository:a:pull
+ user:bob
- group:dev
-   member user:alice
-   permission repository:a:pull
`,
			created: 1, updated: 1, removed: 2,
		},
		{
			name:    "built-in subjects are never made",
			wanted:  "users:\n  - name: anonymous\n    permissions: [\"repository:a:pull\"]\ngroups:\n  - name: authenticated\n",
			options: state.Options{Prune: true},
			want:    "  user:anonymous\n+   permission repository:a:pull\n",
			updated: 1,
		},
		{
			name:    "a listed built-in loses its permissions",
			current: "users:\n  - name: anonymous\n    permissions: [\"repository:a:pull\"]\n",
			wanted:  "users:\n  - name: anonymous\n",
			want:    "  user:anonymous\n-   permission repository:a:pull\n",
			updated: 1,
		},
		{
			name:    "another kind with prune",
			current: "users:\n  - name: ci\n",
			wanted:  "robots:\n  - name: ci\n",
			options: state.Options{Prune: true},
			want:    "- user:ci\n+ robot:ci\n",
			created: 1, removed: 1,
		},
		{
			name:    "another password",
			current: "users:\n  - name: alice\n    password_hash: " + hashA + "\n",
			wanted:  "users:\n  - name: alice\n    password_hash: " + hashB + "\n",
			want:    "  user:alice\n+   password\n",
			updated: 1,
		},
		{
			name:    "the same password",
			current: "users:\n  - name: alice\n    password_hash: " + hashA + "\n",
			wanted:  "users:\n  - name: alice\n    password_hash: " + hashA + "\n",
		},
		{
			name:    "no word about the password",
			current: "users:\n  - name: alice\n    password_hash: " + hashA + "\n",
			wanted:  "users:\n  - name: alice\n",
		},
		{
			name: "only adding takes nothing",
			current: "users:\n  - name: alice\n    admin: true\n    password_hash: " + hashA + "\n    permissions: [\"repository:a:push\", \"repository:b:pull\", \"repository:c:pull\"]\n  - name: bob\n" +
				"groups:\n  - name: dev\n    members: [\"user:alice\"]\n",
			wanted: "users:\n  - name: alice\n    disabled: true\n    password_hash: " + hashB + "\n    permissions: [\"repository:a:pull\", \"repository:c:delete\"]\n  - name: bob\n    password_hash: " + hashB + "\n" +
				"groups:\n  - name: dev\n    members: [\"user:bob\"]\n",
			options: state.Options{Add: true},
			want: `  user:alice
-   permission repository:c:pull
+   permission repository:c:pull,delete
  user:bob
+   password
  group:dev
+   member user:bob
`,
			updated: 3,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			current, wanted := parse(t, header+tc.current), parse(t, header+tc.wanted)
			plan, err := diff(current, wanted, tc.options)
			require.NoError(t, err)
			assert.Equal(t, tc.want, plan.String())
			assert.Equal(t, tc.want == "", plan.Empty())
			created, updated, removed := plan.Counts()
			assert.Equal(t, []int{tc.created, tc.updated, tc.removed}, []int{created, updated, removed})
		})
	}
}

func TestDiffRefuses(t *testing.T) {
	const header = "version: dockit/v1\n"
	for _, tc := range []struct {
		name            string
		current, wanted string
		options         state.Options
		err             error
		want            string
	}{
		{"prune and add", "", "", state.Options{Prune: true, Add: true}, state.ErrOptions, "not both"},
		{"a name that another kind has", "users:\n  - name: ci\n", "robots:\n  - name: ci\n", state.Options{}, state.ErrConflict, "robot:ci has the name of user:ci"},
		{"an unknown member", "", "groups:\n  - name: dev\n    members: [\"user:bob\"]\n", state.Options{}, state.ErrConflict, "group:dev has the member user:bob"},
		{"a member of another kind", "robots:\n  - name: bob\n", "groups:\n  - name: dev\n    members: [\"user:bob\"]\n", state.Options{}, state.ErrConflict, "user:bob, which does not exist"},
		{"a member that prune removes", "users:\n  - name: bob\n", "groups:\n  - name: dev\n    members: [\"user:bob\"]\n", state.Options{Prune: true}, state.ErrConflict, "list it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan, err := diff(parse(t, header+tc.current), parse(t, header+tc.wanted), tc.options)
			require.ErrorIs(t, err, tc.err)
			assert.Contains(t, err.Error(), tc.want)
			assert.True(t, plan.Empty())
		})
	}
	t.Run("an invalid document", func(t *testing.T) {
		_, err := diff(&state.Document{}, &state.Document{Subjects: []state.Subject{{Ref: subject.Ref{Kind: "team", Name: "x"}}}}, state.Options{})
		require.ErrorIs(t, err, state.ErrInvalid)
	})
}

func TestMemberThatExistsAlready(t *testing.T) {
	plan, err := diff(
		parse(t, "version: dockit/v1\nusers:\n  - name: bob\n"),
		parse(t, "version: dockit/v1\ngroups:\n  - name: dev\n    members: [\"user:bob\"]\n"), state.Options{})
	require.NoError(t, err)
	assert.Equal(t, "+ group:dev\n+   member user:bob\n", plan.String())
}

// apply is what a store does with a plan, on a document.
func apply(d *state.Document, plan state.Plan) *state.Document {
	subjects := map[subject.Ref]*state.Subject{}
	for _, s := range d.Subjects {
		s.Members, s.Permissions = slices.Clone(s.Members), slices.Clone(s.Permissions)
		subjects[s.Ref] = &s
	}
	for _, c := range plan.Changes {
		s := subjects[c.Subject]
		if s == nil {
			s = &state.Subject{Ref: c.Subject}
			subjects[c.Subject] = s
		}
		if c.Action == state.Remove {
			delete(subjects, c.Subject)
			continue
		}
		if c.Admin != nil {
			s.Admin = *c.Admin
		}
		if c.Disabled != nil {
			s.Disabled = *c.Disabled
		}
		if c.Password {
			s.PasswordHash = c.PasswordHash
		}
		s.Members = slices.DeleteFunc(s.Members, func(m subject.Ref) bool { return slices.Contains(c.RemoveMembers, m) })
		s.Members = append(s.Members, c.AddMembers...)
		s.Permissions = slices.DeleteFunc(s.Permissions, func(p access.Permission) bool { return slices.Contains(c.Revoke, p) })
		s.Permissions = append(s.Permissions, c.Grant...)
	}
	var result state.Document
	for _, s := range subjects {
		if len(s.Members) == 0 {
			s.Members = nil
		}
		if len(s.Permissions) == 0 {
			s.Permissions = nil
		}
		if !s.Ref.BuiltIn() || s.Permissions != nil {
			result.Subjects = append(result.Subjects, *s)
		}
	}
	result.Sort()
	return &result
}

func TestPlanMakesOneStateOfAnother(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 4))
		a, b := statetest.Document(r), statetest.Document(r)

		same, err := diff(a, a, state.Options{Prune: true})
		require.NoError(t, err)
		require.True(t, same.Empty(), "seed %d:\n%s", seed, same)

		plan, err := diff(a, b, state.Options{Prune: true})
		require.NoError(t, err)
		require.Equal(t, b, apply(a, plan), "seed %d:\n%s", seed, plan)
		require.True(t, slices.IsSortedFunc(plan.Changes, func(a, b state.Change) int { return state.Compare(a.Subject, b.Subject) }))
		for _, c := range plan.Changes {
			require.False(t, c.Subject.BuiltIn() && c.Action != state.Update, "seed %d:\n%s", seed, plan)
		}
		again, err := diff(apply(a, plan), b, state.Options{Prune: true})
		require.NoError(t, err)
		require.True(t, again.Empty(), "seed %d:\n%s", seed, again)
	}
}

func TestPlanWithoutPrune(t *testing.T) {
	var applied int
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 5))
		a, b := statetest.Document(r), statetest.Document(r)
		for _, options := range []state.Options{{}, {Add: true}} {
			plan, err := diff(a, b, options)
			if err != nil {
				require.ErrorIs(t, err, state.ErrConflict)
				continue
			}
			applied++
			result := apply(a, plan)
			require.NoError(t, result.Validate(), "seed %d:\n%s", seed, plan)
			for _, before := range a.Subjects {
				if options.Add || !slices.ContainsFunc(b.Subjects, func(s state.Subject) bool { return s.Ref == before.Ref }) {
					requireKept(t, before, result)
				}
			}
			again, err := diff(result, b, options)
			require.NoError(t, err)
			require.True(t, again.Empty(), "seed %d:\n%s", seed, again)
		}
	}
	assert.Greater(t, applied, 20)
}

// requireKept checks that a subject lost nothing.
func requireKept(t *testing.T, before state.Subject, d *state.Document) {
	t.Helper()
	i := slices.IndexFunc(d.Subjects, func(s state.Subject) bool { return s.Ref == before.Ref })
	require.GreaterOrEqual(t, i, 0, "%s is gone", before.Ref)
	after := d.Subjects[i]
	require.Equal(t, before.Admin, after.Admin)
	require.Equal(t, before.Disabled, after.Disabled)
	require.Subset(t, after.Members, before.Members)
	for _, p := range before.Permissions {
		require.True(t, slices.ContainsFunc(after.Permissions, func(q access.Permission) bool {
			return p.Type == q.Type && p.Name == q.Name && q.Actions.Has(p.Actions)
		}), "%s lost %s", before.Ref, p)
	}
}
