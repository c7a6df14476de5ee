package store

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/state"
)

// What needs a password is refused to every kind of token, and changes nothing.
func TestChangesThatNeedAPassword(t *testing.T) {
	yes, no := true, false
	hash := "$another"
	update := func(who string, c SubjectChange) func(m *makers, ctx context.Context) error {
		return func(m *makers, ctx context.Context) error {
			_, err := m.UpdateSubject(ctx, ref(m.T, who), c, 0)
			return err
		}
	}
	apply := func(text string, o state.Options) func(m *makers, ctx context.Context) error {
		return func(m *makers, ctx context.Context) error {
			_, err := m.ApplyState(ctx, document(m.T, "version: dockit/v1\n"+text), o)
			return err
		}
	}
	add := state.Options{Add: true}
	for _, tc := range []struct {
		name    string
		do      func(m *makers, ctx context.Context) error
		allowed bool
	}{
		{"set a password", update("user:alice", SubjectChange{PasswordHash: &hash}), false},
		{"set the own password", update("user:root", SubjectChange{PasswordHash: &hash}), false},
		{"give a password to who has none", update("user:bare", SubjectChange{PasswordHash: &hash}), false},
		{"make an admin", update("user:alice", SubjectChange{Admin: &yes}), false},
		{"unmake an admin", update("user:boss", SubjectChange{Admin: &no}), false},
		{"disable an admin", update("user:boss", SubjectChange{Disabled: &yes}), false},
		{"disable the own admin", update("user:root", SubjectChange{Disabled: &yes}), false},
		{"enable an admin", update("user:off", SubjectChange{Disabled: &no}), false},
		{"remove an admin", func(m *makers, ctx context.Context) error { return m.DeleteSubject(ctx, ref(m.T, "user:boss"), 0) }, false},
		{"add an admin", func(m *makers, ctx context.Context) error {
			_, err := m.CreateSubject(ctx, NewSubject{Ref: ref(m.T, "user:evil"), Admin: true, PasswordHash: hash})
			return err
		}, false},
		{"end another's docker login", func(m *makers, ctx context.Context) error {
			_, _, err := m.RevokeRefreshToken(ctx, "alices", false)
			return err
		}, false},
		{"end another's docker logins", func(m *makers, ctx context.Context) error {
			_, _, err := m.RevokeRefreshTokens(ctx, ref(m.T, "user:alice"))
			return err
		}, false},
		{"disable who is logged in", update("user:alice", SubjectChange{Disabled: &yes}), false},
		{"remove who is logged in", func(m *makers, ctx context.Context) error { return m.DeleteSubject(ctx, ref(m.T, "user:alice"), 0) }, false},
		{"apply an admin", apply("users:\n  - {name: evil, admin: true}\n", add), false},
		{"apply an admin flag", apply("users:\n  - {name: alice, admin: true}\n", state.Options{}), false},
		{"apply the end of an admin flag", apply("users:\n  - name: boss\n", state.Options{}), false},
		{"apply a password", apply("users:\n  - {name: alice, password_hash: \""+bcryptHash+"\"}\n", state.Options{}), false},
		{"import a password for who has none", apply("users:\n  - {name: bare, password_hash: \""+bcryptHash+"\"}\n", add), false},
		{"apply that somebody logged in is disabled", apply("users:\n  - {name: alice, disabled: true}\n", state.Options{}), false},
		{"apply that an admin is disabled", apply("users:\n  - {name: boss, admin: true, disabled: true}\n", state.Options{}), false},
		{"apply without admins", apply("users:\n  - {name: root, admin: true}\n", state.Options{Prune: true}), false},
		{"apply more than one of these", apply("users:\n  - {name: evil, admin: true}\n  - {name: alice, password_hash: \""+bcryptHash+"\"}\nrobots:\n  - name: new\n", add), false},

		{"end the own docker login", func(m *makers, ctx context.Context) error {
			_, _, err := m.RevokeRefreshToken(ctx, "roots", false)
			return err
		}, true},
		{"set what is set", update("user:boss", SubjectChange{Admin: &yes, Disabled: &no}), true},
		{"disable who is not logged in", update("user:bare", SubjectChange{Disabled: &yes}), true},
		{"disable a robot", update("robot:ci", SubjectChange{Disabled: &yes}), true},
		{"remove a robot", func(m *makers, ctx context.Context) error { return m.DeleteSubject(ctx, ref(m.T, "robot:ci"), 0) }, true},
		{"add a user with a password", func(m *makers, ctx context.Context) error {
			_, err := m.CreateSubject(ctx, NewSubject{Ref: ref(m.T, "user:new"), PasswordHash: hash})
			return err
		}, true},
		{"grant to its own owner", func(m *makers, ctx context.Context) error {
			_, err := m.Grant(ctx, ref(m.T, "user:root"), permission(m.T, "repository:**:*"))
			return err
		}, true},
		{"import a new user", apply("users:\n  - {name: new, password_hash: \""+bcryptHash+"\"}\n", add), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMakers(t, onSQLite)
			create(t, m.Store, "user:bare")
			_, err := m.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:off"), Admin: true, Disabled: true})
			require.NoError(t, err)
			m.login("alice", "alices")
			m.login("root", "roots")
			m.mustMake(m.by(""), "user:root", "token", Limits{})
			byPassword := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Credential: Credential{ID: "token", Password: true}})
			credentials := map[string]context.Context{"access token": m.by("token"), "refresh token": m.by("roots"), "password that a token set": byPassword}
			if tc.allowed {
				credentials = map[string]context.Context{"access token": m.by("token")}
			} else if tc.name == "set the own password" {
				delete(credentials, "password that a token set")
			}
			for name, ctx := range credentials {
				before, number, entries := export(t, m.Store), revision(t, m.Store), len(auditOf(t, m.Store))
				err := tc.do(m, ctx)
				if tc.allowed {
					require.NoError(t, err, name)
					continue
				}
				require.ErrorIs(t, err, ErrNeedsPassword, name)
				assert.Equal(t, before, export(t, m.Store), "%s: refused, and something changed", name)
				assert.Equal(t, number, revision(t, m.Store), "%s: refused, and something changed", name)
				assert.Len(t, auditOf(t, m.Store), entries, "%s: refused, and something changed", name)
			}
			if !tc.allowed {
				assert.NoError(t, tc.do(m, m.by("")), "with a password")
			}
		})
	}
}

// An admin who makes a token for another subject does not end its docker logins
// with it.
func TestTokenForAnotherEndsNoSessionsOfTheOther(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		m.login("boss", "bosses")
		m.mustMake(m.by(""), "user:root", "a", Limits{})
		m.mustMake(m.by("a"), "user:boss", "b", Limits{})
		m.mustMake(m.as("user:boss", "b"), "user:boss", "c", Limits{})
		m.mustMake(m.as("user:boss", ""), "user:boss", "own", Limits{})
		m.mustMake(m.as("user:boss", "own"), "user:boss", "owns", Limits{})
		for _, token := range []string{"a", "b", "c"} {
			ctx := m.as("user:boss", token)
			if token == "a" {
				ctx = m.by("a")
			}
			_, _, err := m.RevokeRefreshTokens(ctx, ref(t, "user:boss"))
			require.ErrorIs(t, err, ErrNeedsPassword, "all, with %s", token)
			_, _, err = m.RevokeRefreshToken(ctx, "bosses", false)
			require.ErrorIs(t, err, ErrNeedsPassword, "one, with %s", token)
		}
		_, _, err := m.RevokeRefreshToken(m.as("user:boss", "owns"), "bosses", false)
		assert.NoError(t, err, "its own")
	})
}

// A password that a token gives to a new user has the limits of the token, also
// when its owner changes it, until a caller with a password does.
func TestPasswordMadeByAToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		limits := Limits{networks(t, "10.0.0.0/8"), m.now.Add(time.Hour)}
		m.mustMake(m.by(""), "user:root", "a", limits)
		_, err := m.CreateSubject(m.by("a"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"})
		require.NoError(t, err)
		_, err = m.ApplyState(m.by("a"), document(t, "version: dockit/v1\nusers:\n  - {name: applied, password_hash: \""+bcryptHash+"\"}\n"), state.Options{})
		require.NoError(t, err)
		limited := func(name string, want bool) {
			t.Helper()
			l, err := m.Login(t.Context(), name)
			require.NoError(t, err, name)
			assert.Equal(t, want, l.PasswordMadeBy == "a", "%s: %+v", name, l)
			assert.Equal(t, want, slices.Equal(l.PasswordLimits.Networks, limits.Networks), "%s: %+v", name, l)
			assert.Equal(t, want, l.PasswordLimits.ExpiresAt.Equal(limits.ExpiresAt), "%s: %+v", name, l)
			s, err := m.Subject(t.Context(), ref(t, "user:"+name))
			require.NoError(t, err, name)
			assert.Equal(t, l.PasswordMadeBy, s.PasswordMadeBy, "%s: %+v", name, s)
			assert.True(t, slices.Equal(s.PasswordLimits.Networks, l.PasswordLimits.Networks), "%s: %+v", name, s)
		}
		limited("new", true)
		limited("applied", true)
		own := WithActor(t.Context(), Actor{Ref: ref(t, "user:new"), Credential: Credential{ID: "a", Password: true, Limits: limits}})
		hash := "$own"
		_, err = m.UpdateSubject(own, ref(t, "user:new"), SubjectChange{PasswordHash: &hash}, 0)
		require.NoError(t, err)
		limited("new", true)
		m.mustMake(own, "user:new", "news", Limits{})
		made, err := m.AccessToken(t.Context(), "news")
		require.NoError(t, err, "made")
		assert.Equal(t, "a", made.MadeBy, "made %+v", made)
		assert.WithinDuration(t, limits.ExpiresAt, made.ExpiresAt, 0, "made %+v", made)
		_, err = m.UpdateSubject(m.by(""), ref(t, "user:new"), SubjectChange{PasswordHash: &hash}, 0)
		require.NoError(t, err)
		limited("new", false)
		require.ErrorIs(t, m.make(own, "user:new", "late", Limits{}), ErrCredentialEnded, "with a password that is not the user's any more")
		_, err = m.UpdateSubject(own, ref(t, "user:new"), SubjectChange{PasswordHash: &hash}, 0)
		require.ErrorIs(t, err, ErrCredentialEnded, "another one with a password that is not the user's any more")
		limited("new", false)
	})
}

func TestRotationByATokenWidensNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		hour, later := Limits{networks(t, "10.0.0.0/8"), m.now.Add(time.Hour)}, m.now.Add(2*time.Hour)
		sooner := m.now.Add(time.Minute)
		m.mustMake(m.by(""), "user:root", "maker", hour)
		m.mustMake(m.by(""), "user:root", "other", hour)
		m.mustMake(m.by("maker"), "user:root", "child", hour)
		m.mustMake(m.by("child"), "robot:ci", "grandchild", hour)
		m.mustMake(m.by("other"), "robot:ci", "cousin", hour)
		m.mustMake(m.by(""), "robot:ci", "unlimited", Limits{})
		m.mustMake(m.by(""), "robot:ci", "narrow", Limits{networks(t, "10.1.0.0/16"), m.now.Add(time.Hour)})
		for _, tc := range []struct {
			name, by, id string
			expiresAt    *time.Time
			err          error
			madeBy       string
		}{
			{"itself", "maker", "maker", nil, nil, ""},
			{"itself, to live longer", "maker", "maker", &later, ErrWider, ""},
			{"itself, to live for ever", "maker", "maker", &time.Time{}, ErrWider, ""},
			{"a child that it is", "child", "child", nil, nil, "maker"},
			{"what it made", "maker", "child", nil, nil, "maker"},
			{"what that made", "maker", "grandchild", nil, nil, "child"},
			{"what that made, to live longer", "maker", "grandchild", &later, ErrWider, "child"},
			{"what made it", "grandchild", "maker", nil, ErrWider, ""},
			{"what another made", "maker", "cousin", nil, ErrWider, "other"},
			{"an unlimited one", "maker", "unlimited", nil, ErrWider, ""},
			{"an unlimited one in time", "maker", "unlimited", &sooner, ErrWider, ""},
			{"a narrow one made by a password", "maker", "narrow", nil, nil, "maker"},
			{"with a password", "", "cousin", &later, nil, "other"},
		} {
			before, err := m.AccessToken(t.Context(), tc.id)
			require.NoError(t, err)
			_, err = m.RotateAccessToken(m.by(tc.by), tc.id, Rotation{Hash: []byte("new"), ExpiresAt: tc.expiresAt})
			require.ErrorIs(t, err, tc.err, tc.name)
			after, rerr := m.AccessToken(t.Context(), tc.id)
			require.NoError(t, rerr, tc.name)
			assert.Equal(t, tc.madeBy, after.MadeBy, tc.name)
			if err != nil {
				assert.WithinDuration(t, before.ExpiresAt, after.ExpiresAt, 0, tc.name)
			}
		}
	})
}

// A secret that was replaced is good no longer than it would have been, and what
// a token made no longer than the token.
func TestRotationShortens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		hour, day := m.now.Add(time.Hour), m.now.Add(24*time.Hour)
		m.mustMake(m.by(""), "user:root", "maker", Limits{ExpiresAt: hour})
		m.mustMake(m.by("maker"), "robot:ci", "made", Limits{})
		_, err := m.CreateSubject(m.by("maker"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$n"})
		require.NoError(t, err)
		rotated, err := m.RotateAccessToken(m.by(""), "maker", Rotation{Hash: []byte("x"), PreviousUntil: day, ExpiresAt: &day})
		require.NoError(t, err, "rotated")
		assert.WithinDuration(t, day, rotated.ExpiresAt, 0, "rotated %+v", rotated)
		assert.WithinDuration(t, hour, rotated.PreviousUntil, 0, "rotated %+v", rotated)
		soon := m.now.Add(time.Minute)
		_, err = m.RotateAccessToken(m.by(""), "maker", Rotation{Hash: []byte("y"), ExpiresAt: &soon})
		require.NoError(t, err)
		made, err := m.AccessToken(t.Context(), "made")
		require.NoError(t, err, "made")
		assert.WithinDuration(t, soon, made.ExpiresAt, 0, "made %+v", made)
		login, err := m.Login(t.Context(), "new")
		require.NoError(t, err, "password")
		assert.WithinDuration(t, soon, login.PasswordLimits.ExpiresAt, 0, "password %+v", login)
	})
}
