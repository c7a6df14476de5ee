package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// export writes the state as YAML.
func export(t *testing.T, s *Store) string {
	t.Helper()
	var b bytes.Buffer
	w := state.NewWriter(&b, state.YAML)
	require.NoError(t, s.WriteState(t.Context(), w))
	require.NoError(t, w.Close())
	assert.NotContains(t, b.String(), "password_hash", "a hash is exported")
	return b.String()
}

func document(t *testing.T, text string) *state.Document {
	t.Helper()
	d, err := state.Parse(strings.NewReader(text))
	require.NoError(t, err)
	return d
}

func applyState(t *testing.T, s *Store, text string, o state.Options) state.Plan {
	t.Helper()
	plan, err := s.ApplyState(t.Context(), document(t, text), o)
	require.NoError(t, err)
	return plan
}

const wholeState = `version: dockit/v1
users:
  - name: anonymous
    permissions: ["repository:public/*:pull"]
  - name: alice
    admin: true
    password_hash: $2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq
    permissions: ["namespace:alice:*"]
  - name: bob
    disabled: true
robots:
  - name: ci
    permissions: ["repository:team/**:push", "registry:catalog:*"]
groups:
  - name: authenticated
    permissions: ["namespace:{username}:*"]
  - name: dev
    members: ["user:alice", "robot:ci"]
    permissions: ["repository:team/*:pull"]
`

func TestApplyStateTwiceChangesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		require.False(t, applyState(t, s, wholeState, state.Options{Prune: true}).Empty(), "nothing was applied")
		first, entries := export(t, s), len(auditOf(t, s))
		before := revision(t, s)
		plan := applyState(t, s, wholeState, state.Options{Prune: true})
		assert.True(t, plan.Empty(), "the second time changes: %s", plan)
		plan = applyState(t, s, first, state.Options{Prune: true})
		assert.True(t, plan.Empty(), "what was exported changes: %s", plan)
		assert.Len(t, auditOf(t, s), entries, "changing nothing leaves traces")
		assert.Equal(t, before, revision(t, s), "changing nothing leaves traces")
		login, err := s.Login(t.Context(), "alice")
		require.NoError(t, err, "the hash is %q", login.PasswordHash)
		assert.True(t, strings.HasPrefix(login.PasswordHash, "$2y$10$"), "the hash is %q", login.PasswordHash)
	})
}

func TestExportApplyExportIsEqual(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		random := rand.New(rand.NewPCG(1, 2))
		s := db.open(t)
		for round := range 40 {
			wanted := statetest.Document(random)
			if _, err := s.ApplyState(t.Context(), wanted, state.Options{Prune: true}); err != nil {
				require.ErrorIs(t, err, ErrLastAdmin, "round %d", round)
			}
			first := export(t, s)
			other := db.open(t)
			applyState(t, other, first, state.Options{Prune: true})
			require.Equal(t, first, export(t, other), "round %d: exported again", round)
			plan, err := other.PlanState(t.Context(), document(t, first), state.Options{Prune: true})
			require.NoError(t, err, "round %d: the plan of an export is %s %v", round, plan, err)
			require.True(t, plan.Empty(), "round %d: the plan of an export is %s %v", round, plan, err)
		}
		auditOf(t, s)
	})
}

func TestApplyStateIsAllOrNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		applyState(t, s, wholeState, state.Options{})
		before, entries := export(t, s), len(auditOf(t, s))
		for name, c := range map[string]struct {
			text  string
			prune bool
			err   error
		}{
			"no admin is left":    {"version: dockit/v1\nusers:\n  - name: zoe\n", true, ErrLastAdmin},
			"admin disabled":      {"version: dockit/v1\nusers:\n  - name: alice\n    admin: true\n    disabled: true\n  - name: zoe\n", false, ErrLastAdmin},
			"unknown member":      {"version: dockit/v1\nrobots:\n  - name: new\ngroups:\n  - name: ops\n    members: [\"user:nobody\"]\n", false, state.ErrConflict},
			"name of another":     {"version: dockit/v1\nrobots:\n  - name: new\n  - name: alice\n", false, state.ErrConflict},
			"pruned, but named":   {"version: dockit/v1\nusers:\n  - name: alice\n    admin: true\ngroups:\n  - name: dev\n    members: [\"user:bob\"]\n", true, state.ErrConflict},
			"built-in kind taken": {"version: dockit/v1\nusers: []\nrobots:\n  - name: dev\n", false, state.ErrConflict},
		} {
			_, err := s.ApplyState(t.Context(), document(t, c.text), state.Options{Prune: c.prune})
			require.ErrorIs(t, err, c.err, name)
		}
		assert.Equal(t, before, export(t, s), "a refused document changed something")
		assert.Len(t, auditOf(t, s), entries, "a refused document changed something")
	})
}

// An admin of a document has no password at first: no admin could log in when it
// were the only one left.
func TestApplyStateLeavesAnAdminThatCanLogIn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const hash = "    password_hash: $2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq\n"
		newAdmin := "version: dockit/v1\nusers:\n  - name: zoe\n    admin: true\n"
		for name, c := range map[string]struct {
			text  string
			token bool
			err   error
		}{
			"without a password":   {newAdmin, false, ErrLastAdmin},
			"with a password":      {newAdmin + hash, false, nil},
			"with an access token": {newAdmin, true, nil},
		} {
			t.Run(name, func(t *testing.T) {
				s := db.open(t)
				applyState(t, s, wholeState, state.Options{})
				if c.token {
					create(t, s, "user:zoe")
					_, err := s.CreateAccessToken(t.Context(), NewAccessToken{ID: "id", Owner: ref(t, "user:zoe"), Name: "laptop", Hash: []byte("hash")})
					require.NoError(t, err)
				}
				before := export(t, s)
				_, err := s.ApplyState(t.Context(), document(t, c.text), state.Options{Prune: true})
				require.ErrorIs(t, err, c.err, "ApplyState")
				after := export(t, s)
				assert.Equal(t, c.err != nil, after == before, "the state is now: %s", after)
			})
		}
	})
}

func TestANamePassesToAnotherKind(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		applyState(t, s, wholeState, state.Options{})
		applyState(t, s, "version: dockit/v1\nusers:\n  - name: dev\n    admin: true\n    password_hash: $2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq\nrobots:\n  - name: alice\ngroups:\n  - name: ci\n    members: [\"user:dev\", \"robot:alice\"]\n", state.Options{Prune: true})
		members, err := s.Members(t.Context(), ref(t, "group:ci"), Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, members, 2)
		assert.Equal(t, subject.Ref{Kind: subject.Robot, Name: "alice"}, members[0].Ref)
		for _, gone := range []string{"user:alice", "group:dev", "robot:ci", "user:bob"} {
			_, err := s.Subject(t.Context(), ref(t, gone))
			assert.ErrorIs(t, err, ErrNotFound, gone)
		}
	})
}

func TestApplyStateIsInTheAudit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		ctx := WithActor(t.Context(), Actor{Ref: ref(t, "user:root")})
		apply := func(text string) {
			_, err := s.ApplyState(ctx, document(t, text), state.Options{Prune: true})
			require.NoError(t, err)
		}
		apply(wholeState)
		seen := len(auditOf(t, s))
		apply(strings.NewReplacer("[\"repository:team/*:pull\"]", "[\"repository:team/*:push\"]", "  - name: bob\n    disabled: true\n", "", ", \"robot:ci\"", "").Replace(wholeState))
		expected := map[string][2]string{
			"user:bob":  {`{"admin":false,"disabled":true}`, ``},
			"group:dev": {`{"disabled":false,"permissions":["repository:team/*:pull"],"members":["robot:ci"]}`, `{"disabled":false,"permissions":["repository:team/*:push"]}`},
		}
		entries := auditOf(t, s)[seen:]
		assert.Len(t, entries, len(expected))
		for _, e := range entries {
			want := expected[string(e.Subject)]
			assert.Equal(t, audit.Apply, e.Action, "%s: %s -> %s", e.Subject, e.Before, e.After)
			assert.EqualValues(t, "user:root", e.Actor, "%s: %s -> %s", e.Subject, e.Before, e.After)
			assert.Equal(t, want[0], string(e.Before), "%s: %s -> %s", e.Subject, e.Before, e.After)
			assert.Equal(t, want[1], string(e.After), "%s: %s -> %s", e.Subject, e.Before, e.After)
		}
	})
}

// TestLargeApplyIsOneChain applies more than the audit takes at once: each
// subject has its entry, and the chain holds from the first to the last.
func TestLargeApplyIsOneChain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		robots := &state.Document{}
		for i := range 2*eventsAtOnce + 1 {
			robots.Subjects = append(robots.Subjects, state.Subject{Ref: subject.Ref{Kind: subject.Robot, Name: fmt.Sprintf("ci-%04d", i)}})
		}
		before, err := s.AuditHead(t.Context())
		require.NoError(t, err)
		_, err = s.ApplyState(t.Context(), robots, state.Options{Add: true})
		require.NoError(t, err)
		told := map[audit.Name]int{}
		for _, e := range auditOf(t, s)[before.Sequence:] {
			told[e.Subject]++
		}
		for _, one := range robots.Subjects {
			require.Equal(t, 1, told[audit.NameOf(one.Ref)], "%d entries of %s", told[audit.NameOf(one.Ref)], one.Ref)
		}
	})
}

// BenchmarkApplyState applies 10,000 users, 1,000 groups and 50,000
// permissions to an empty store.
func BenchmarkApplyState(b *testing.B) {
	large := statetest.Large(10_000, 1_000, 50_000)
	for b.Loop() {
		b.StopTimer()
		s, err := Open(b.Context(), Config{Dialect: "sqlite", DSN: filepath.Join(b.TempDir(), "large.sqlite")}, zap.NewNop())
		require.NoError(b, err)
		b.StartTimer()
		_, err = s.ApplyState(b.Context(), large, state.Options{Prune: true})
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, s.Close())
		b.StartTimer()
	}
}
