package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/state/statetest"
	"github.com/dockit-registry/dockit/subject"
)

const bcryptHash = "$2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq"

func export(t *testing.T, s *Store) *state.Document {
	t.Helper()
	var d state.Document
	exported, err := s.Export(t.Context(), func(one state.Subject) error {
		d.Subjects = append(d.Subjects, one)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, revision(t, s), exported)
	require.NoError(t, d.Validate())
	return &d
}

func parseState(t *testing.T, text string) *state.Document {
	t.Helper()
	d, err := state.Parse(strings.NewReader("version: dockit/v1\n" + text))
	require.NoError(t, err)
	return d
}

// applyState makes the state what a document says and returns the plan.
func applyState(t *testing.T, s *Store, d *state.Document, options state.Options) state.Plan {
	t.Helper()
	plan, planned, err := s.Plan(t.Context(), d, options)
	require.NoError(t, err)
	require.NoError(t, s.Apply(t.Context(), plan, planned))
	return plan
}

func TestExport(t *testing.T) {
	s := open(t)
	assert.Empty(t, export(t, s).Subjects, "built-in subjects without permissions are left out")
	_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:alice"), Admin: true, PasswordHash: bcryptHash})
	require.NoError(t, err)
	create(t, s, "user:zoe", "robot:ci", "group:dev", "group:empty")
	for _, member := range []string{"user:zoe", "robot:ci", "user:alice"} {
		_, err := s.AddMember(t.Context(), ref(t, "group:dev"), ref(t, member))
		require.NoError(t, err)
	}
	grant(t, s, "group:dev", "repository:b:pull", "repository:a:push", "namespace:z:*")
	grant(t, s, "user:anonymous", "repository:public/*:pull")
	text, err := export(t, s).Bytes(state.YAML)
	require.NoError(t, err)
	assert.Equal(t, `version: dockit/v1
users:
  - name: alice
    admin: true
  - name: anonymous
    permissions:
      - repository:public/*:pull
  - name: zoe
robots:
  - name: ci
groups:
  - name: dev
    members:
      - user:alice
      - user:zoe
      - robot:ci
    permissions:
      - namespace:z:*
      - repository:a:push
      - repository:b:pull
  - name: empty
`, string(text))
}

func TestExportEndsWithYield(t *testing.T) {
	s := open(t)
	create(t, s, "user:alice", "user:bob")
	stop := errors.New("enough")
	var calls int
	_, err := s.Export(t.Context(), func(state.Subject) error { calls++; return stop })
	require.ErrorIs(t, err, stop)
	assert.Equal(t, 1, calls)
}

// An export shows one moment, whatever is written while it runs.
func TestExportIsConsistent(t *testing.T) {
	s := open(t)
	applyState(t, s, statetest.Large(3*exportPage, 10, 100), state.Options{})
	before := export(t, s)
	var d state.Document
	_, err := s.Export(t.Context(), func(one state.Subject) error {
		if len(d.Subjects) == 0 {
			for _, name := range []string{"user:user-599", "group:group-9"} {
				if err := s.DeleteSubject(t.Context(), ref(t, name), 0); err != nil {
					return err
				}
			}
		}
		d.Subjects = append(d.Subjects, one)
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, before, &d)
}

// Whatever the state: exported, applied elsewhere and exported again it is the
// same, and to apply it once more changes nothing.
func TestStateMoves(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 6))
		wanted := statetest.Document(r)
		source := open(t)
		applyState(t, source, wanted, state.Options{})
		exported := export(t, source)
		require.Equal(t, wanted, exported, "seed %d", seed)

		empty, used := open(t), open(t)
		applyState(t, used, statetest.Document(r), state.Options{})
		for _, target := range []*Store{empty, used} {
			before := revision(t, target)
			plan := applyState(t, target, exported, state.Options{Prune: true})
			require.Equal(t, exported, export(t, target), "seed %d:\n%s", seed, plan)
			if plan.Empty() {
				require.Equal(t, before, revision(t, target))
			} else {
				require.Equal(t, before+1, revision(t, target), "one change of rights")
			}

			before = revision(t, target)
			again := applyState(t, target, exported, state.Options{Prune: true})
			require.True(t, again.Empty(), "seed %d:\n%s", seed, again)
			require.Equal(t, before, revision(t, target), "nothing changed")
		}
	}
}

func TestApply(t *testing.T) {
	s := open(t)
	_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:root"), Admin: true, PasswordHash: bcryptHash})
	require.NoError(t, err)
	create(t, s, "user:alice", "robot:ci", "group:dev")
	grant(t, s, "user:alice", "repository:a:pull", "repository:b:pull")
	alice, err := s.Subject(t.Context(), ref(t, "user:alice"))
	require.NoError(t, err)

	plan := applyState(t, s, parseState(t, `
users:
  - name: alice
    admin: true
    password_hash: `+bcryptHash+`
    permissions: ["repository:a:push", "repository:c:*"]
robots:
  - name: dev
groups:
  - name: ci
    members: ["robot:dev", "user:alice"]
`), state.Options{Prune: true})
	assert.Equal(t, `  user:alice
+   admin
+   password
-   permission repository:a:pull
+   permission repository:a:push
-   permission repository:b:pull
+   permission repository:c:*
- user:root
- robot:ci
+ robot:dev
+ group:ci
+   member user:alice
+   member robot:dev
- group:dev
`, plan.String())

	changed, err := s.Subject(t.Context(), ref(t, "user:alice"))
	require.NoError(t, err)
	assert.True(t, changed.Admin)
	assert.True(t, changed.HasPassword)
	assert.Equal(t, alice.ID, changed.ID)
	assert.Equal(t, alice.Version+1, changed.Version, "an entity tag from before is stale")
	login, err := s.Login(t.Context(), "alice")
	require.NoError(t, err)
	assert.Equal(t, bcryptHash, login.PasswordHash)
}

func TestApplyLeavesVersionsOfWhatItDoesNotChange(t *testing.T) {
	s := open(t)
	create(t, s, "user:alice")
	before, err := s.Subject(t.Context(), ref(t, "user:alice"))
	require.NoError(t, err)
	applyState(t, s, parseState(t, "users:\n  - name: alice\n    permissions: [\"repository:a:pull\"]\n"), state.Options{})
	after, err := s.Subject(t.Context(), ref(t, "user:alice"))
	require.NoError(t, err)
	assert.Equal(t, before.Version, after.Version, "permissions are no property of the subject itself")
}

func TestApplyRefuses(t *testing.T) {
	yes := true
	user := func(name string) subject.Ref { return subject.Ref{Kind: subject.User, Name: name} }
	for _, tc := range []struct {
		name   string
		change state.Change
		err    error
	}{
		{"a name that is taken", state.Change{Action: state.Create, Subject: user("ci")}, nil},
		{"an invalid name", state.Change{Action: state.Create, Subject: user("A")}, subject.ErrInvalidName},
		{"a robot as admin", state.Change{Action: state.Create, Subject: subject.Ref{Kind: subject.Robot, Name: "x"}, Admin: &yes}, ErrKind},
		{"a group with a password", state.Change{Action: state.Create, Subject: subject.Ref{Kind: subject.Group, Name: "x"}, Password: true, PasswordHash: bcryptHash}, ErrKind},
		{"a subject that is not there", state.Change{Action: state.Update, Subject: user("zoe"), Admin: &yes}, ErrNotFound},
		{"removal of a subject that is not there", state.Change{Action: state.Remove, Subject: user("zoe")}, ErrNotFound},
		{"removal of a built-in", state.Change{Action: state.Remove, Subject: subject.Anonymous}, ErrBuiltIn},
		{"a flag of a built-in", state.Change{Action: state.Update, Subject: subject.Authenticated, Disabled: &yes}, ErrBuiltIn},
		{"a member that is not there", state.Change{Action: state.Update, Subject: subject.Ref{Kind: subject.Group, Name: "dev"}, AddMembers: []subject.Ref{user("zoe")}}, ErrNotFound},
		{"a group as member", state.Change{Action: state.Update, Subject: subject.Ref{Kind: subject.Group, Name: "dev"}, AddMembers: []subject.Ref{{Kind: subject.Group, Name: "dev"}}}, ErrKind},
		{"an invalid permission", state.Change{Action: state.Update, Subject: user("alice"), Grant: []access.Permission{{Type: access.Repository, Name: "A", Actions: access.Pull}}}, access.ErrInvalidPermission},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			create(t, s, "user:alice", "robot:ci", "group:dev")
			before, at := export(t, s), revision(t, s)
			// All or nothing: what comes before the refused change goes as well.
			good := state.Change{Action: state.Create, Subject: user("new"), Grant: []access.Permission{permission(t, "repository:a:pull")}}
			err := s.Apply(t.Context(), state.Plan{Changes: []state.Change{good, tc.change}}, at)
			require.Error(t, err)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
			}
			assert.Contains(t, err.Error(), tc.change.Subject.String())
			assert.Equal(t, before, export(t, s))
			assert.Equal(t, at, revision(t, s))
		})
	}
}

func TestApplyLastAdmin(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		refused    bool
	}{
		{"removed", "users:\n  - name: alice\n", true},
		{"replaced by one without a password", "users:\n  - name: alice\n    admin: true\n", true},
		{"disabled", "users:\n  - name: root\n    admin: true\n    disabled: true\n", true},
		{"demoted", "users:\n  - name: root\n", true},
		{"replaced by one with a password", "users:\n  - name: alice\n    admin: true\n    password_hash: " + bcryptHash + "\n", false},
		{"kept", "users:\n  - name: root\n    admin: true\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:root"), Admin: true, PasswordHash: bcryptHash})
			require.NoError(t, err)
			create(t, s, "user:alice")
			before := export(t, s)
			plan, planned, err := s.Plan(t.Context(), parseState(t, tc.text), state.Options{Prune: true})
			require.NoError(t, err)
			err = s.Apply(t.Context(), plan, planned)
			if !tc.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrLastAdmin)
			assert.Equal(t, before, export(t, s))
		})
	}
}

func TestApplyStale(t *testing.T) {
	s := open(t)
	create(t, s, "user:alice")
	plan, planned, err := s.Plan(t.Context(), parseState(t, "users:\n  - name: bob\n"), state.Options{Prune: true})
	require.NoError(t, err)
	create(t, s, "user:carol")
	require.ErrorIs(t, s.Apply(t.Context(), plan, planned), ErrStale)
	assert.Len(t, export(t, s).Subjects, 2)
}

// Of several that apply plans for the same revision, one does.
func TestApplyAtOnce(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var applied int
	at := revision(t, s)
	for i := range 8 {
		plan, _, err := s.Plan(t.Context(), parseState(t, fmt.Sprintf("users:\n  - name: u%d\n", i)), state.Options{})
		require.NoError(t, err)
		wg.Go(func() {
			switch err := s.Apply(t.Context(), plan, at); {
			case err == nil:
				mu.Lock()
				defer mu.Unlock()
				applied++
			case !errors.Is(err, ErrStale):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 1, applied)
	assert.Len(t, export(t, s).Subjects, 1)
}

func TestApplyCancelled(t *testing.T) {
	s := open(t)
	plan, planned, err := s.Plan(t.Context(), parseState(t, "users:\n  - name: bob\n"), state.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Apply(ctx, plan, planned), context.Canceled)
	assert.Empty(t, export(t, s).Subjects)
}

func BenchmarkState(b *testing.B) {
	d := statetest.Large(10_000, 1_000, 50_000)
	s, err := Open(b.Context(), Config{Dialect: "sqlite", DSN: filepath.Join(b.TempDir(), "dockit.sqlite")}, zap.NewNop())
	require.NoError(b, err)
	b.Cleanup(func() { assert.NoError(b, s.Close()) })
	b.Run("apply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plan, planned, err := s.Plan(b.Context(), d, state.Options{Prune: true})
			require.NoError(b, err)
			require.NoError(b, s.Apply(b.Context(), plan, planned))
			b.StopTimer()
			plan, planned, err = s.Plan(b.Context(), &state.Document{}, state.Options{Prune: true})
			require.NoError(b, err)
			require.NoError(b, s.Apply(b.Context(), plan, planned))
			b.StartTimer()
		}
	})
	plan, planned, err := s.Plan(b.Context(), d, state.Options{Prune: true})
	require.NoError(b, err)
	require.NoError(b, s.Apply(b.Context(), plan, planned))
	b.Run("export", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := s.Export(b.Context(), func(state.Subject) error { return nil })
			require.NoError(b, err)
		}
	})
	b.Run("plan of the same", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := s.Plan(b.Context(), d, state.Options{Prune: true})
			require.NoError(b, err)
		}
	})
}
