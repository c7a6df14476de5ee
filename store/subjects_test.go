package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

func TestCreateSubject(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice")
		for _, tc := range []struct {
			name string
			new  NewSubject
			err  error
		}{
			{"robot", NewSubject{Ref: ref(t, "robot:ci")}, nil},
			{"same name, same kind", NewSubject{Ref: ref(t, "user:alice")}, ErrExists},
			{"same name, another kind", NewSubject{Ref: ref(t, "group:alice")}, ErrExists},
			{"name of a built-in", NewSubject{Ref: ref(t, "robot:anonymous")}, ErrExists},
			{"invalid name", NewSubject{Ref: subject.Ref{Kind: subject.User, Name: "A:b"}}, subject.ErrInvalidName},
			{"robot as admin", NewSubject{Ref: ref(t, "robot:x"), Admin: true}, ErrKind},
			{"group with password", NewSubject{Ref: ref(t, "group:x"), PasswordHash: "$argon2id$"}, ErrKind},
		} {
			t.Run(tc.name, func(t *testing.T) {
				_, err := s.CreateSubject(t.Context(), tc.new)
				require.ErrorIs(t, err, tc.err, "CreateSubject")
			})
		}
	})
}

func TestUpdateSubject(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		hash, yes, no := "$argon2id$x", true, false
		created, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:alice"), PasswordHash: hash})
		require.NoError(t, err)
		require.True(t, created.HasPassword, "created %+v", created)
		require.Positive(t, created.Version, "created %+v", created)
		require.False(t, created.CreatedAt.IsZero(), "created %+v", created)
		disabled, err := s.UpdateSubject(t.Context(), created.Ref, SubjectChange{Disabled: &yes}, Precondition(created.Version))
		require.NoError(t, err, "disabled")
		require.True(t, disabled.Disabled, "disabled: %+v", disabled)
		require.True(t, disabled.HasPassword, "disabled: %+v", disabled)
		require.Equal(t, created.Version+1, disabled.Version, "disabled: %+v", disabled)
		for _, tc := range []struct {
			name   string
			ref    string
			change SubjectChange
			pre    Precondition
			err    error
		}{
			{"stale", "user:alice", SubjectChange{Disabled: &no}, Precondition(created.Version), ErrStale},
			{"missing", "user:bob", SubjectChange{Disabled: &no}, 0, ErrNotFound},
			{"right name, wrong kind", "robot:alice", SubjectChange{Disabled: &no}, 0, ErrNotFound},
			{"anonymous", "user:anonymous", SubjectChange{Disabled: &yes}, 0, ErrBuiltIn},
			{"anonymous with a password", "user:anonymous", SubjectChange{PasswordHash: &hash}, 0, ErrBuiltIn},
			{"authenticated", "group:authenticated", SubjectChange{Disabled: &yes}, 0, ErrBuiltIn},
			{"robot with a password", "robot:ci", SubjectChange{PasswordHash: &hash}, 0, ErrKind},
		} {
			t.Run(tc.name, func(t *testing.T) {
				_, err := s.UpdateSubject(t.Context(), ref(t, tc.ref), tc.change, tc.pre)
				require.ErrorIs(t, err, tc.err, "UpdateSubject")
			})
		}
	})
}

func TestLastAdmin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		yes, no := true, false
		root := ref(t, "user:root")
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: root, Admin: true})
		require.NoError(t, err)
		refused := func(name string, err error) {
			t.Helper()
			assert.ErrorIs(t, err, ErrLastAdmin, name)
		}
		_, err = s.UpdateSubject(t.Context(), root, SubjectChange{Admin: &no}, 0)
		refused("demote", err)
		_, err = s.UpdateSubject(t.Context(), root, SubjectChange{Disabled: &yes}, 0)
		refused("disable", err)
		refused("delete", s.DeleteSubject(t.Context(), root, 0))

		_, err = s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:off"), Admin: true, Disabled: true})
		require.NoError(t, err)
		refused("delete beside a disabled admin", s.DeleteSubject(t.Context(), root, 0))
		_, err = s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:second"), Admin: true})
		require.NoError(t, err)
		assert.NoError(t, s.DeleteSubject(t.Context(), root, 0), "delete beside an enabled admin")
	})
}

func TestSubjectsPages(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		for i := range 25 {
			create(t, s, fmt.Sprintf("user:u%02d", i), fmt.Sprintf("robot:r%02d", i))
		}
		var names []string
		page := Page{Limit: 10}
		for {
			found, err := s.Subjects(t.Context(), subject.User, page)
			require.NoError(t, err)
			for _, one := range found {
				names = append(names, one.Ref.Name)
			}
			if len(found) < page.Limit {
				break
			}
			page.After = names[len(names)-1]
		}
		require.Len(t, names, 26)
		require.Equal(t, "anonymous", names[0])
		require.Equal(t, "u24", names[25])
		require.True(t, slices.IsSorted(names))
		found, err := s.Subjects(t.Context(), subject.User, Page{Limit: 100, Prefix: "u1"})
		require.NoError(t, err, "prefix u1")
		require.Len(t, found, 10, "prefix u1")
	})
}

func TestPagesAreNarrowed(t *testing.T) {
	yes, no := true, false
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "group:dev")
		for _, n := range []NewSubject{
			{Ref: ref(t, "user:a1")},
			{Ref: ref(t, "user:a2"), Admin: true},
			{Ref: ref(t, "user:a3"), Disabled: true},
			{Ref: ref(t, "user:b1"), Admin: true, Disabled: true},
			{Ref: ref(t, "user:b2")},
			{Ref: ref(t, "robot:a4"), Disabled: true},
		} {
			_, err := s.CreateSubject(t.Context(), n)
			require.NoError(t, err)
			_, err = s.AddMember(t.Context(), ref(t, "group:dev"), n.Ref)
			require.NoError(t, err)
		}
		for _, tc := range []struct {
			name           string
			page           Page
			users, members []string
		}{
			{"prefix", Page{Prefix: "a"}, []string{"a1", "a2", "a3", "anonymous"}, []string{"a1", "a2", "a3", "a4"}},
			{"after, within the prefix", Page{Prefix: "a", After: "a1"}, []string{"a2", "a3", "anonymous"}, []string{"a2", "a3", "a4"}},
			{"after, before the prefix", Page{Prefix: "b", After: "a1"}, []string{"b1", "b2"}, []string{"b1", "b2"}},
			{"after, behind the prefix", Page{Prefix: "a", After: "b1"}, nil, nil},
			{"admins", Page{Admin: &yes}, []string{"a2", "b1"}, []string{"a2", "b1"}},
			{"no admins", Page{Admin: &no, After: "a1"}, []string{"a3", "anonymous", "b2"}, []string{"a3", "a4", "b2"}},
			{"disabled", Page{Disabled: &yes}, []string{"a3", "b1"}, []string{"a3", "a4", "b1"}},
			{"disabled admins", Page{Disabled: &yes, Admin: &yes}, []string{"b1"}, []string{"b1"}},
			{"search", Page{Search: "2"}, []string{"a2", "b2"}, []string{"a2", "b2"}},
			{"search, after", Page{Search: "ny", After: "a1"}, []string{"anonymous"}, nil},
			{"search, no pattern", Page{Search: "%"}, nil, nil},
			{"search, a zero byte, which ends a pattern of SQLite", Page{Search: "\x00"}, nil, nil},
			{"search, a zero byte within", Page{Search: "a\x001"}, nil, nil},
			{"search, not any letter", Page{Search: "_2"}, nil, nil},
			{"search, in capitals", Page{Search: "NYM"}, []string{"anonymous"}, nil},
			{"search, disabled", Page{Search: "a", Disabled: &yes}, []string{"a3"}, []string{"a3", "a4"}},
			{"search in a prefix", Page{Prefix: "a", Search: "1"}, []string{"a1"}, []string{"a1"}},
			{"enabled", Page{Disabled: &no, Prefix: "b"}, []string{"b2"}, []string{"b2"}},
		} {
			tc.page.Limit = 10
			users, err := s.Subjects(t.Context(), subject.User, tc.page)
			require.NoError(t, err, tc.name)
			assert.Equal(t, tc.users, namesOf(users), tc.name)
			all := tc.page
			all.After = ""
			everyone, err := s.Subjects(t.Context(), subject.User, all)
			require.NoError(t, err, tc.name)
			tc.page.Limit = 1
			count, err := s.CountSubjects(t.Context(), subject.User, tc.page)
			require.NoError(t, err, tc.name)
			assert.Equal(t, len(everyone), count, "%s, counted on all pages", tc.name)
			everyone, err = s.Members(t.Context(), ref(t, "group:dev"), all)
			require.NoError(t, err, tc.name)
			count, err = s.CountMembers(t.Context(), ref(t, "group:dev"), tc.page)
			require.NoError(t, err, tc.name)
			assert.Equal(t, len(everyone), count, "%s, members counted on all pages", tc.name)
			tc.page.Limit = 10
			for _, large := range []int{10_000, 1} {
				defer setLargeGroup(large)()
				members, err := s.Members(t.Context(), ref(t, "group:dev"), tc.page)
				require.NoError(t, err, "%s, a group is large from %d", tc.name, large)
				assert.Equal(t, tc.members, namesOf(members), "%s, a group is large from %d", tc.name, large)
			}
		}
	})
}

// TestCountsAreBounded guards that a narrowed listing is counted no further than it is worth, and a whole one in full.
func TestCountsAreBounded(t *testing.T) {
	const users = MaxCounted + 10
	s := openAt(t, filepath.Join(t.TempDir(), "dockit.sqlite"))
	manyUsers(t, s, users)
	for name, c := range map[string]struct {
		page           Page
		users, members int
	}{
		"all":        {Page{}, users + 1, users},
		"a search":   {Page{Search: "person"}, MaxCounted, MaxCounted},
		"few":        {Page{Search: "00009@"}, 1, 1},
		"a prefix":   {Page{Prefix: "person"}, MaxCounted, MaxCounted},
		"later page": {Page{After: "person000900@example.com", Limit: 5}, users + 1, users},
	} {
		count, err := s.CountSubjects(t.Context(), subject.User, c.page)
		require.NoError(t, err, name)
		assert.Equal(t, c.users, count, name)
		count, err = s.CountMembers(t.Context(), ref(t, "group:all"), c.page)
		require.NoError(t, err, name)
		assert.Equal(t, c.members, count, "members of %s", name)
	}
	_, err := s.CountMembers(t.Context(), ref(t, "group:none"), Page{})
	require.ErrorIs(t, err, ErrNotFound)
}

// setLargeGroup returns what sets it back.
func setLargeGroup(members int) func() {
	before := largeGroup
	largeGroup = members
	return func() { largeGroup = before }
}

func namesOf(subjects []Subject) (names []string) {
	for _, s := range subjects {
		names = append(names, s.Ref.Name)
	}
	return names
}

func TestMemberships(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "robot:ci", "group:dev", "group:ops")
		for _, tc := range []struct {
			name, group, member string
			added               bool
			err                 error
		}{
			{"user", "group:dev", "user:alice", true, nil},
			{"again", "group:dev", "user:alice", false, nil},
			{"robot", "group:dev", "robot:ci", true, nil},
			{"second group", "group:ops", "user:alice", true, nil},
			{"no such group", "group:qa", "user:alice", false, ErrNotFound},
			{"no such member", "group:dev", "user:bob", false, ErrNotFound},
			{"group in a group", "group:dev", "group:ops", false, ErrKind},
			{"into a user", "user:alice", "robot:ci", false, ErrKind},
			{"into authenticated", "group:authenticated", "user:alice", false, ErrBuiltIn},
			{"anonymous", "group:dev", "user:anonymous", false, ErrBuiltIn},
		} {
			t.Run(tc.name, func(t *testing.T) {
				added, err := s.AddMember(t.Context(), ref(t, tc.group), ref(t, tc.member))
				require.Equal(t, tc.added, added)
				require.ErrorIs(t, err, tc.err)
			})
		}
		members, err := s.Members(t.Context(), ref(t, "group:dev"), Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, members, 2)
		require.Equal(t, "alice", members[0].Ref.Name)
		require.Equal(t, "ci", members[1].Ref.Name)
		groups, err := s.Groups(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		require.Len(t, groups, 2)
		require.Equal(t, "dev", groups[0].Ref.Name)
		require.Equal(t, "ops", groups[1].Ref.Name)
		require.NoError(t, s.RemoveMember(t.Context(), ref(t, "group:dev"), ref(t, "user:alice")))
		require.ErrorIs(t, s.RemoveMember(t.Context(), ref(t, "group:dev"), ref(t, "user:alice")), ErrNotFound, "second RemoveMember")
		require.NoError(t, s.DeleteSubject(t.Context(), ref(t, "robot:ci"), 0))
		members, err = s.Members(t.Context(), ref(t, "group:dev"), Page{Limit: 10})
		require.NoError(t, err, "a removed robot is still a member")
		require.Empty(t, members, "a removed robot is still a member")
	})
}
