package store

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/accesstest"
	"github.com/dockit-registry/dockit/subject"
)

func TestHolders(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "user:bob", "user:carol", "robot:ci", "group:dev")
		grant(t, s, "user:alice", "repository:team/app:push", "repository:team/app:delete", "repository:other:pull", "registry:catalog:*")
		grant(t, s, "user:bob", "repository:team/*:pull", "repository:team:pull", "repository:{username}/app:push")
		grant(t, s, "user:carol", "repository:te*m/app:pull", "repository:teams/**:pull", "repository:*/web:pull", "repository:team/app/debug:pull")
		grant(t, s, "robot:ci", "namespace:team:push", "repository:**:delete")
		grant(t, s, "group:dev", "repository:{username}/**:pull", "repository:x-{username}/**:pull")
		grant(t, s, "user:anonymous", "repository:{username}/app:pull", "repository:team/**/app:pull")
		off := true
		_, err := s.UpdateSubject(t.Context(), ref(t, "user:carol"), SubjectChange{Disabled: &off}, 0)
		require.NoError(t, err)

		for repository, want := range map[string][]string{
			"team/app": {
				"group:dev repository:{username}/**:pull", "robot:ci namespace:team:push", "robot:ci repository:**:delete",
				"user:alice repository:team/app:push,delete", "user:anonymous repository:team/**/app:pull", "user:bob repository:team/*:pull", "user:carol repository:te*m/app:pull off",
			},
			"bob/app": {"group:dev repository:{username}/**:pull", "robot:ci repository:**:delete", "user:bob repository:{username}/app:push"},
			"team":    {"group:dev repository:{username}/**:pull", "robot:ci namespace:team:push", "robot:ci repository:**:delete", "user:bob repository:team:pull"},
			"catalog": {"group:dev repository:{username}/**:pull", "robot:ci repository:**:delete"},
		} {
			holders, cut, err := s.Holders(t.Context(), repository)
			require.NoError(t, err)
			assert.False(t, cut)
			var got []string
			for _, h := range holders {
				text := h.Ref.String() + " " + h.Permission.String()
				if h.Disabled {
					text += " off"
				}
				got = append(got, text)
			}
			assert.Equal(t, want, got, repository)
		}
		_, _, err = s.Holders(t.Context(), "Team/*")
		require.ErrorIs(t, err, access.ErrInvalidName)
	})
}

// TestHoldersOfRandomPolicies compares who is found by the index with who a look at
// every permission finds.
func TestHoldersOfRandomPolicies(t *testing.T) {
	s := onSQLite.open(t)
	random := rand.New(rand.NewPCG(5, 6))
	users := []string{"alice", "bob", "ab", "a.b"}
	for _, name := range users {
		create(t, s, "user:"+name)
	}
	all := map[string][]access.Permission{}
	for range 400 {
		p, err := access.ParsePermission(accesstest.RandomText(random, 0.5))
		if err != nil || p.Type == access.Registry {
			continue
		}
		name := users[random.IntN(len(users))]
		grant(t, s, "user:"+name, p.String())
		all[name] = append(all[name], p)
	}
	found := 0
	for range 2000 {
		repository := accesstest.RandomName(random, 0)
		if access.ValidateRepository(repository) != nil {
			continue
		}
		holders, _, err := s.Holders(t.Context(), repository)
		require.NoError(t, err)
		for _, name := range users {
			want := access.NewRights(name, all[name]).Allowed(access.Repository, repository)
			var got access.Actions
			for _, h := range holders {
				if h.Ref == (subject.Ref{Kind: subject.User, Name: name}) {
					got |= h.Permission.Actions.Implied()
				}
			}
			require.Equal(t, want, got, "%s on %s", name, repository)
			if got != 0 {
				found++
			}
		}
	}
	assert.Greater(t, found, 500, "the random policies say too little")
}

// TestHoldersReadNoOtherPermission guards that who may do what to one repository is
// found by an index, also for the longest name.
func TestHoldersReadNoOtherPermission(t *testing.T) {
	s := onSQLite.open(t)
	for _, spans := range []int{1, 20, mostSpans} {
		plan := queryPlan(t, s, holdersQuery(spans), make([]any, 2*spans+1)...)
		assert.Contains(t, plan, "SEARCH p USING INDEX permissions_by_name (name>? AND name<?)")
	}
	_, _, err := s.Holders(t.Context(), strings.Repeat("a/", 127)+"a")
	require.NoError(t, err)
	long := strings.Repeat("a", access.MaxRepositoryLength)
	_, _, err = onMariaDB.open(t).Holders(t.Context(), long)
	require.NoError(t, err)
}

func TestAnyUsernameIsOneComponent(t *testing.T) {
	for name, want := range map[string]string{
		"team/app": "team/app", "{username}/**": "*/**", "{username}*/a": "*/a", "*{username}{username}/a": "*/a", "x-{username}-y": "x-*-y",
	} {
		assert.Equal(t, want, anyUsername(name), name)
	}
	assert.True(t, slices.IsSorted([]string{string(subject.Group), string(subject.Robot), string(subject.User)}), "the order of holders")
}
