package store

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

func held(t *testing.T, s *Store, owner string) []string {
	t.Helper()
	permissions, err := s.Permissions(t.Context(), ref(t, owner), Page{Limit: 100})
	require.NoError(t, err)
	var all []string
	for _, p := range permissions {
		all = append(all, p.String())
	}
	return all
}

func TestGrantAddsUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "user:bob")
		grant(t, s, "user:alice", "repository:a/b:push", "repository:a/b:pull", "repository:a/b:pull", "namespace:a:pull")
		// A key on (type, name) without the subject would downgrade alice here.
		grant(t, s, "user:bob", "repository:a/b:pull")
		got, want := held(t, s, "user:alice"), []string{"namespace:a:pull", "repository:a/b:pull,push"}
		assert.Equal(t, want, got, "alice")
		got, want = held(t, s, "user:bob"), []string{"repository:a/b:pull"}
		assert.Equal(t, want, got, "bob")
		_, err := s.Grant(t.Context(), ref(t, "user:carol"), permission(t, "repository:a/b:pull"))
		assert.ErrorIs(t, err, ErrNotFound, "grant to nobody")
	})
}

func TestRevoke(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		for _, tc := range []struct {
			name, held, revoke string
			want               []string
			err                error
		}{
			{"all of it", "repository:a:pull", "repository:a:pull", nil, nil},
			{"everything", "repository:a:pull,push", "repository:a:*", nil, nil},
			{"one action", "repository:a:pull,push", "repository:a:push", []string{"repository:a:pull"}, nil},
			{"push that was granted alone", "repository:a:push", "repository:a:push", nil, nil},
			{"one of all", "repository:a:*", "repository:a:delete", []string{"repository:a:pull,push"}, nil},
			{"pull under push", "repository:a:pull,push", "repository:a:pull", []string{"repository:a:pull,push"}, ErrIncluded},
			{"pull included in push", "repository:a:push", "repository:a:pull", []string{"repository:a:push"}, ErrIncluded},
			{"action not held", "repository:a:pull", "repository:a:delete", []string{"repository:a:pull"}, ErrNotFound},
			{"another name", "repository:a:pull", "repository:b:pull", []string{"repository:a:pull"}, ErrNotFound},
			{"another type", "repository:a:pull", "namespace:a:pull", []string{"repository:a:pull"}, ErrNotFound},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := db.open(t)
				create(t, s, "user:alice")
				grant(t, s, "user:alice", tc.held)
				_, err := s.Revoke(t.Context(), ref(t, "user:alice"), permission(t, tc.revoke))
				require.ErrorIs(t, err, tc.err, "Revoke")
				require.Equal(t, tc.want, held(t, s, "user:alice"), "left")
			})
		}
	})
}

func TestEffectivePermissions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "user:bob", "group:dev", "group:off")
		for _, group := range []string{"group:dev", "group:off"} {
			_, err := s.AddMember(t.Context(), ref(t, group), ref(t, "user:alice"))
			require.NoError(t, err)
		}
		yes := true
		_, err := s.UpdateSubject(t.Context(), ref(t, "group:off"), SubjectChange{Disabled: &yes}, 0)
		require.NoError(t, err)
		grant(t, s, "user:alice", "repository:own:pull")
		grant(t, s, "user:bob", "repository:bob:pull")
		grant(t, s, "group:dev", "namespace:dev:push")
		grant(t, s, "group:off", "namespace:off:push")
		grant(t, s, "group:authenticated", "namespace:shared:pull")
		grant(t, s, "user:anonymous", "namespace:public:pull")

		for _, tc := range []struct {
			name, ref string
			want      []string
		}{
			{"own, groups and everyone", "user:alice", []string{
				"user:alice repository:own:pull", "user:anonymous namespace:public:pull",
				"group:authenticated namespace:shared:pull", "group:dev namespace:dev:push",
			}},
			{"no groups", "user:bob", []string{
				"user:anonymous namespace:public:pull", "user:bob repository:bob:pull", "group:authenticated namespace:shared:pull",
			}},
			{"anonymous", "user:anonymous", []string{"user:anonymous namespace:public:pull"}},
			{"group", "group:dev", []string{"group:dev namespace:dev:push"}},
			{"disabled group", "group:off", nil},
			{"authenticated", "group:authenticated", []string{"group:authenticated namespace:shared:pull"}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				effective, err := s.EffectivePermissions(t.Context(), ref(t, tc.ref))
				require.NoError(t, err)
				var got []string
				for _, e := range effective {
					got = append(got, e.Via.String()+" "+e.Permission.String())
				}
				require.Equal(t, tc.want, got)
			})
		}
		_, err = s.EffectivePermissions(t.Context(), ref(t, "user:nobody"))
		assert.ErrorIs(t, err, ErrNotFound, "of nobody")
	})
}

func TestLogin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:alice"), Admin: true, PasswordHash: "hash"})
		require.NoError(t, err)
		create(t, s, "robot:ci", "group:dev")
		alice, err := s.Login(t.Context(), "alice")
		require.NoError(t, err, "Login(alice)")
		require.Equal(t, ref(t, "user:alice"), alice.Ref, "Login(alice) = %+v", alice)
		require.True(t, alice.Admin, "Login(alice) = %+v", alice)
		require.Equal(t, "hash", alice.PasswordHash, "Login(alice) = %+v", alice)
		ci, err := s.Login(t.Context(), "ci")
		require.NoError(t, err, "Login(ci)")
		require.Equal(t, subject.Robot, ci.Ref.Kind, "Login(ci) = %+v", ci)
		for _, name := range []string{"dev", "nobody", "", "ALICE"} {
			_, err := s.Login(t.Context(), name)
			assert.ErrorIs(t, err, ErrNotFound, "Login(%q)", name)
		}
	})
}
