package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/state"
)

// rights are what a Dockit keeps in memory of a database, by the subject that
// it concerns.
func rights(t *testing.T, s *Store, names, accessTokens, refreshTokens []string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	add := func(name string, value any, err error) {
		all[name] = append(all[name], fmt.Sprintf("%+v %v", value, err != nil))
	}
	anonymous, err := s.AnonymousPermissions(t.Context())
	add("anonymous", anonymous, err)
	for _, name := range names {
		login, err := s.Login(t.Context(), name)
		add(name, login, err)
		permissions, err := s.EffectivePermissionsByID(t.Context(), login.ID, login.Ref)
		add(name, permissions, err)
	}
	for _, id := range accessTokens {
		login, err := s.AccessTokenLogin(t.Context(), id)
		add(id[:len(id)-1], login, err)
	}
	for _, id := range refreshTokens {
		login, err := s.RefreshTokenLogin(t.Context(), id)
		add(id[:len(id)-1], login, err)
	}
	return all
}

// TestChanges checks that whatever changed is told: what is not told stays in
// the memory of every Dockit.
func TestChanges(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		var heard []Change
		s.Watch(func(c Change) { heard = append(heard, c) })
		yes, hash := true, "$argon2id$y"
		names := []string{"alice", "bob", "ci"}
		create(t, s, "user:alice", "user:bob", "robot:ci", "group:dev", "group:ops")
		ids := map[string]int64{}
		for _, name := range names {
			login, err := s.Login(t.Context(), name)
			require.NoError(t, err)
			ids[name] = login.ID
		}
		for _, id := range []string{"alice1", "ci1"} {
			owner := map[string]string{"alice1": "user:alice", "ci1": "robot:ci"}[id]
			accessToken(t, s, owner, id, "one", time.Time{})
		}
		refresh := func(owner, id string) {
			t.Helper()
			login, err := s.Login(t.Context(), owner)
			require.NoError(t, err)
			require.NoError(t, s.CreateRefreshToken(t.Context(), NewRefreshToken{ID: id, OwnerID: login.ID, PasswordHash: login.PasswordHash, Hash: []byte("h"), Service: "s", ExpiresAt: time.Now().Add(time.Hour)}))
		}
		for _, id := range []string{"alice2", "alice3", "bob2"} {
			refresh(id[:len(id)-1], id)
		}
		for _, step := range []struct {
			name string
			// whom is a name, or everybody, or nobody when nothing is told.
			whom string
			do   func() error
		}{
			{"grant", "alice", func() error {
				_, err := s.Grant(t.Context(), ref(t, "user:alice"), permission(t, "repository:a:pull"))
				return err
			}},
			{"grant to a group", "everybody", func() error {
				_, err := s.Grant(t.Context(), ref(t, "group:dev"), permission(t, "repository:b:pull,push"))
				return err
			}},
			{"grant to everyone who logged in", "everybody", func() error {
				_, err := s.Grant(t.Context(), ref(t, "group:authenticated"), permission(t, "repository:c:pull"))
				return err
			}},
			{"grant to anonymous", "everybody", func() error {
				_, err := s.Grant(t.Context(), ref(t, "user:anonymous"), permission(t, "repository:d:pull"))
				return err
			}},
			{"add a member", "ci", func() error {
				_, err := s.AddMember(t.Context(), ref(t, "group:dev"), ref(t, "robot:ci"))
				return err
			}},
			{"revoke", "alice", func() error {
				_, err := s.Revoke(t.Context(), ref(t, "user:alice"), permission(t, "repository:a:pull"))
				return err
			}},
			{"revoke from a group", "everybody", func() error {
				_, err := s.Revoke(t.Context(), ref(t, "group:dev"), permission(t, "repository:b:push"))
				return err
			}},
			{"remove a member", "ci", func() error { return s.RemoveMember(t.Context(), ref(t, "group:dev"), ref(t, "robot:ci")) }},
			{"set a password", "bob", func() error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:bob"), SubjectChange{PasswordHash: &hash}, 0)
				return err
			}},
			{"rotate a token", "ci", func() error {
				_, err := s.RotateAccessToken(t.Context(), "ci1", Rotation{Hash: []byte("another")})
				return err
			}},
			{"revoke a token", "alice", func() error { _, _, err := s.RevokeAccessToken(t.Context(), "alice1", false); return err }},
			{"revoke a refresh token", "alice", func() error { _, _, err := s.RevokeRefreshToken(t.Context(), "alice2", false); return err }},
			{"revoke refresh tokens", "alice", func() error { _, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice")); return err }},
			{"revoke refresh tokens that are not there", "nobody", func() error { _, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice")); return err }},
			{"a token more", "nobody", func() error { refresh("bob", "bob3"); return nil }},
			{"disable", "bob", func() error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:bob"), SubjectChange{Disabled: &yes}, 0)
				return err
			}},
			{"disable a group", "everybody", func() error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "group:dev"), SubjectChange{Disabled: &yes}, 0)
				return err
			}},
			{"remove a group", "everybody", func() error { return s.DeleteSubject(t.Context(), ref(t, "group:ops"), 0) }},
			{"remove", "bob", func() error { return s.DeleteSubject(t.Context(), ref(t, "user:bob"), 0) }},
			{"apply", "everybody", func() error {
				_, err := s.ApplyState(t.Context(), document(t, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:e:pull\"]\n"), state.Options{})
				return err
			}},
			{"apply nothing", "nobody", func() error {
				_, err := s.ApplyState(t.Context(), document(t, "version: dockit/v1\nrobots:\n  - name: ci\n    permissions: [\"repository:e:pull\"]\n"), state.Options{})
				return err
			}},
		} {
			before, number := rights(t, s, names, []string{"alice1", "ci1"}, []string{"alice2", "alice3", "bob2"}), revision(t, s)
			marks := marksOf(t, s)
			heard = nil
			require.NoError(t, step.do(), step.name)
			after := rights(t, s, names, []string{"alice1", "ci1"}, []string{"alice2", "alice3", "bob2"})
			var want []Change
			switch step.whom {
			case "nobody":
			case "everybody":
				want = []Change{{number + 1, Everybody}}
			default:
				want = []Change{{number + 1, ids[step.whom]}}
			}
			told, err := s.Changes(t.Context(), marks, marksOf(t, s))
			require.NoError(t, err, step.name)
			assert.Equal(t, want, told, step.name)
			assert.Equal(t, want, heard, step.name)
			for name := range before {
				if step.whom != "everybody" && step.whom != name {
					assert.Equal(t, before[name], after[name], "%s: changed %s", step.name, name)
				}
			}
		}
	})
}

func marksOf(t *testing.T, s *Store) Marks {
	t.Helper()
	m, err := s.Marks(t.Context())
	require.NoError(t, err)
	return m
}

func TestChangesThatAreNotKnown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice")
		before := marksOf(t, s)
		create(t, s, "user:bob", "user:carol")
		now := marksOf(t, s)
		foreign := before
		foreign.Nonce++
		for _, tc := range []struct {
			name  string
			after Marks
			do    string
			want  []Change
			err   error
		}{
			{"nothing", now, "", nil, nil},
			{"too long ago", Marks{Revision: now.Revision - keptChanges}, "", nil, ErrOtherHistory},
			{"another history", foreign, "", nil, ErrOtherHistory},
			{"before the first change", Marks{Revision: 1}, "", nil, ErrOtherHistory},
			{"made by an older Dockit", before, "DELETE FROM changes WHERE revision = (SELECT number FROM revision)", []Change{{now.Revision, Everybody}}, nil},
		} {
			if tc.do != "" {
				_, err := s.writer.ExecContext(t.Context(), tc.do)
				require.NoError(t, err)
			}
			got, err := s.Changes(t.Context(), tc.after, now)
			require.ErrorIs(t, err, tc.err, tc.name)
			assert.Equal(t, tc.want, got, tc.name)
		}
	})
}

func TestOldChangesAreForgotten(t *testing.T) {
	s := onSQLite.open(t)
	for i := range keptChanges + 10 {
		create(t, s, fmt.Sprint("user:u", i))
	}
	var kept int
	require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM changes").Scan(&kept))
	assert.Equal(t, keptChanges, kept)
}
