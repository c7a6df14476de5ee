package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// withPermissions is a document in which a robot has so many permissions.
func withPermissions(name string, count int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: dockit/v1\nrobots:\n  - name: %s\n    permissions:\n", name)
	for i := range count {
		fmt.Fprintf(&b, "      - repository:r%04d:pull\n", i)
	}
	return b.String()
}

// TestPermissionsOfOneSubjectAreBounded tries every way by which permissions come
// in, just below the bound and above it.
func TestPermissionsOfOneSubjectAreBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const most = 5
		s := db.open(t)
		s.SetMaxPermissions(most)
		refused := func(what string, err error) {
			t.Helper()
			require.ErrorIs(t, err, state.ErrTooManyPermissions, what)
			assert.ErrorContains(t, err, "at most 5", what)
		}
		allowed := func(what string, err error) {
			t.Helper()
			assert.NoError(t, err, what)
		}
		ci := ref(t, "robot:ci")
		_, err := s.ApplyState(t.Context(), document(t, withPermissions("ci", most)), state.Options{})
		allowed("a new robot with as many as it may have", err)
		_, err = s.Grant(t.Context(), ci, permission(t, "repository:more:pull"))
		refused("one more", err)
		_, err = s.Grant(t.Context(), ci, permission(t, "repository:r0000:push,delete"))
		allowed("other actions", err)
		before := export(t, s)
		for _, o := range []state.Options{{}, {Add: true}, {Prune: true}} {
			wanted := document(t, withPermissions("ci", most+1))
			_, planErr := s.PlanState(t.Context(), wanted, o)
			refused(fmt.Sprintf("a plan for more, %+v", o), planErr)
			_, err = s.ApplyState(t.Context(), wanted, o)
			refused(fmt.Sprintf("more, %+v", o), err)
		}
		_, err = s.ApplyState(t.Context(), document(t, withPermissions("new", most+1)), state.Options{})
		refused("a new robot with more", err)
		_, err = s.ApplyState(t.Context(), document(t, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:other:pull\"]\n"), state.Options{Add: true})
		refused("one more, added", err)
		_, err = s.ApplyState(t.Context(), document(t, strings.Replace(withPermissions("ci", most), "r0004", "other", 1)), state.Options{})
		allowed("another one in the place of one", err)
		after := export(t, s)
		assert.NotEqual(t, before, after)
		assert.Equal(t, most, strings.Count(after, "repository:"))
		_, err = s.Revoke(t.Context(), ci, permission(t, "repository:other:pull"))
		allowed("revoke", err)
		_, err = s.Grant(t.Context(), ci, permission(t, "repository:more:pull"))
		allowed("one more after a revocation", err)
	})
}

// TestGrantsAtOnceKeepTheBound has many grants at once, through two nodes.
func TestGrantsAtOnceKeepTheBound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const most, grants = 10, 40
		config := db.config(t)
		nodes := []*Store{openConfig(t, config), openConfig(t, config)}
		for _, s := range nodes {
			s.SetMaxPermissions(most)
		}
		ci := ref(t, "robot:ci")
		_, err := nodes[0].CreateSubject(t.Context(), NewSubject{Ref: ci})
		require.NoError(t, err)
		var wg sync.WaitGroup
		results := make([]error, grants)
		for i := range grants {
			wg.Go(func() {
				_, results[i] = nodes[i%2].Grant(t.Context(), ci, permission(t, fmt.Sprintf("repository:r%d:pull", i)))
			})
		}
		wg.Wait()
		made := 0
		for _, err := range results {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, state.ErrTooManyPermissions):
				t.Error(err)
			}
		}
		held, err := nodes[1].Permissions(t.Context(), ci, Page{Limit: grants})
		require.NoError(t, err)
		require.Len(t, held, most)
		assert.Equal(t, most, made)
	})
}

// TestDatabaseAboveTheBoundGoesOn has a robot with more than is allowed, as after
// an update or a smaller bound.
func TestDatabaseAboveTheBoundGoesOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const has = 30
		s := db.open(t)
		document30 := withPermissions("ci", has)
		applyState(t, s, document30, state.Options{})
		s.SetMaxPermissions(5)
		ci := ref(t, "robot:ci")
		effective, err := s.EffectivePermissions(t.Context(), ci)
		require.NoError(t, err)
		assert.Len(t, effective, has)
		exported := export(t, s)
		for _, text := range []string{document30, exported} {
			plan := applyState(t, s, text, state.Options{Prune: true})
			assert.True(t, plan.Empty(), "what is there changes: %s", plan)
		}
		_, err = s.Grant(t.Context(), ci, permission(t, "repository:more:pull"))
		require.ErrorIs(t, err, state.ErrTooManyPermissions, "one more")
		_, err = s.ApplyState(t.Context(), document(t, withPermissions("ci", has+1)), state.Options{})
		require.ErrorIs(t, err, state.ErrTooManyPermissions, "one more by a document")
		// Other things of it, the same number, and fewer.
		applyState(t, s, strings.Replace(document30, "    permissions", "    disabled: true\n    permissions", 1), state.Options{})
		applyState(t, s, strings.Replace(document30, "r0007", "other", 1), state.Options{})
		_, err = s.Revoke(t.Context(), ci, permission(t, "repository:other:pull"))
		require.NoError(t, err)
		applyState(t, s, withPermissions("ci", has-2), state.Options{})
		applyState(t, s, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:r0001:push\"]\n", state.Options{Add: true})
		other := db.open(t)
		other.SetMaxPermissions(5)
		_, err = CopyAll(t.Context(), s, other, nil)
		require.NoError(t, err, "to another database")
		got, want := export(t, other), export(t, s)
		assert.Equal(t, want, got)
	})
}

// TestStateIsReadInParts has subjects with many permissions and members, of which
// few fit into one page.
func TestStateIsReadInParts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		var d state.Document
		for i := range 25 {
			one := state.Subject{Ref: subject.Ref{Kind: subject.Group, Name: fmt.Sprintf("g%02d", i)}}
			for j := range 1500 * (i % 3) {
				one.Permissions = append(one.Permissions, permission(t, fmt.Sprintf("repository:r%04d:pull", j)))
			}
			d.Subjects = append(d.Subjects, one)
		}
		d.Sort()
		text, err := d.Bytes(state.YAML)
		require.NoError(t, err)
		applyState(t, s, string(text), state.Options{})
		assert.True(t, strings.HasSuffix(export(t, s), strings.TrimPrefix(string(text), "version: dockit/v1\ngroups:\n")), "another state is exported")
		assert.True(t, applyState(t, s, string(text), state.Options{}).Empty(), "what is there changes")
	})
}
