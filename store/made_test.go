package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// makers is a store with an admin and a robot, and what makes tokens there.
type makers struct {
	*testing.T
	*Store
	now time.Time
}

func newMakers(t *testing.T, db database) *makers {
	t.Helper()
	m := &makers{T: t, Store: db.open(t)}
	m.now = at(m.Store)(0)
	for _, name := range []string{"root", "boss"} {
		_, err := m.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:"+name), Admin: true, PasswordHash: "$" + name})
		require.NoError(t, err)
	}
	create(t, m.Store, "robot:ci")
	person(t, m.Store, "alice", "$alice")
	return m
}

// by is who came with a token of user:root, or with a password for no token.
func (m *makers) by(token string) context.Context { return m.as("user:root", token) }

func (m *makers) as(who, token string) context.Context {
	return WithActor(m.Context(), Actor{Ref: ref(m.T, who), Credential: Credential{ID: token}})
}

// make makes a token whose name is its id.
func (m *makers) make(ctx context.Context, owner, id string, limits Limits) error {
	_, err := m.CreateAccessToken(ctx, NewAccessToken{
		ID: id, Owner: ref(m.T, owner), Name: id, Hash: []byte("hash of " + id), Networks: limits.Networks, ExpiresAt: limits.ExpiresAt,
	})
	return err
}

func (m *makers) mustMake(ctx context.Context, owner, id string, limits Limits) {
	m.Helper()
	require.NoError(m, m.make(ctx, owner, id, limits))
}

func (m *makers) login(name, id string) {
	m.Helper()
	login, err := m.Login(m.Context(), name)
	require.NoError(m, err)
	refreshToken(m.T, m.Store, id, login.ID, login.PasswordHash)
}

// live fails the test unless exactly these of all tokens are there, and of the
// users those have a password.
func (m *makers) live(want ...string) {
	m.Helper()
	var got []string
	for _, query := range []string{
		"SELECT id FROM access_tokens", "SELECT id FROM refresh_tokens",
		"SELECT name FROM subjects WHERE password_hash <> '' AND name NOT IN ('root', 'boss', 'alice')",
	} {
		some, err := collect(m.Context(), m.reader, scanID, query)
		require.NoError(m, err)
		got = append(got, some...)
	}
	slices.Sort(got)
	slices.Sort(want)
	assert.Equal(m, want, got, "left")
}

func networks(t *testing.T, texts ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// No credential makes a wider one: every way to ask for more than the maker has.
func TestTokenMakesNothingWider(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		hour := Limits{networks(t, "10.1.0.0/16", "2001:db8::/48"), m.now.Add(time.Hour)}
		m.mustMake(m.by(""), "user:root", "maker", hour)
		for i, tc := range []struct {
			name  string
			asked Limits
			want  Limits
			err   error
		}{
			{"nothing asked for", Limits{}, hour, nil},
			{"less", Limits{networks(t, "10.1.2.0/24"), m.now.Add(time.Minute)}, Limits{networks(t, "10.1.2.0/24"), m.now.Add(time.Minute)}, nil},
			{"the same", hour, hour, nil},
			{"later", Limits{nil, m.now.Add(2 * time.Hour)}, Limits{}, ErrWider},
			{"a wider network", Limits{networks(t, "10.0.0.0/8"), time.Time{}}, Limits{}, ErrWider},
			{"another network", Limits{networks(t, "10.1.0.0/16", "192.0.2.0/24"), time.Time{}}, Limits{}, ErrWider},
			{"everywhere", Limits{networks(t, "0.0.0.0/0"), time.Time{}}, Limits{}, ErrWider},
			{"everywhere by IPv6", Limits{networks(t, "::/0"), time.Time{}}, Limits{}, ErrWider},
			{"its network as IPv6", Limits{networks(t, "::ffff:10.1.0.0/112"), time.Time{}}, Limits{}, ErrWider},
		} {
			id := fmt.Sprint("made", i)
			err := m.make(m.by("maker"), "robot:ci", id, tc.asked)
			if require.ErrorIs(t, err, tc.err, tc.name); err != nil {
				continue
			}
			made, err := m.AccessToken(t.Context(), id)
			require.NoError(t, err, "%s: made %+v", tc.name, made)
			assert.True(t, slices.Equal(made.Networks, tc.want.Networks), "%s: made %+v", tc.name, made)
			assert.WithinDuration(t, tc.want.ExpiresAt, made.ExpiresAt, 0, "%s: made %+v", tc.name, made)
			assert.Equal(t, "maker", made.MadeBy, "%s: made %+v", tc.name, made)
		}
		t.Run("by a secret that ends sooner", func(t *testing.T) {
			grace := Limits{hour.Networks, m.now.Add(time.Minute)}
			ctx := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Credential: Credential{ID: "maker", Limits: grace}})
			m.mustMake(ctx, "robot:ci", "graced", Limits{})
			made, err := m.AccessToken(t.Context(), "graced")
			require.NoError(t, err, "made")
			assert.WithinDuration(t, grace.ExpiresAt, made.ExpiresAt, 0, "made %+v", made)
			_, err = m.RotateAccessToken(ctx, "maker", Rotation{Hash: []byte("x")})
			assert.ErrorIs(t, err, ErrWider, "it got a new secret that lives on")
		})
		t.Run("after it ended", func(t *testing.T) {
			for name, id := range map[string]string{"revoked": "gone", "never there": "never"} {
				require.ErrorIs(t, m.make(m.by(id), "robot:ci", "late", Limits{}), ErrCredentialEnded, name)
			}
			m.Store.now = func() time.Time { return hour.ExpiresAt }
			assert.ErrorIs(t, m.make(m.by("maker"), "robot:ci", "late", Limits{}), ErrCredentialEnded, "expired")
		})
	})
}

func TestDockerLoginMakesNothingThatOutlivesIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		m.login("root", "r")
		m.mustMake(m.by("r"), "robot:ci", "made", Limits{})
		made, err := m.AccessToken(t.Context(), "made")
		require.NoError(t, err, "made")
		assert.Equal(t, "r", made.MadeBy, "made %+v", made)
		assert.WithinDuration(t, m.now.Add(90*24*time.Hour), made.ExpiresAt, 0, "made %+v", made)
		assert.ErrorIs(t, m.make(m.by("r"), "robot:ci", "later", Limits{ExpiresAt: m.now.Add(91 * 24 * time.Hour)}), ErrWider, "later than the docker login")
	})
}

// Of a token that is to expire sooner, the docker logins by a password that it
// set do so, too.
func TestShorterTokenShortensDockerLogins(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		m.mustMake(m.Context(), "user:root", "maker", Limits{})
		_, err := m.CreateSubject(m.by("maker"), NewSubject{Ref: ref(t, "user:eve"), PasswordHash: "$eve"})
		require.NoError(t, err)
		m.login("eve", "r")
		m.login("alice", "other")
		soon := m.now.Add(time.Hour)
		_, err = m.RotateAccessToken(m.Context(), "maker", Rotation{Hash: []byte("x"), ExpiresAt: &soon})
		require.NoError(t, err)
		for id, want := range map[string]bool{"r": true, "other": false} {
			token, err := m.RefreshToken(t.Context(), id)
			require.NoError(t, err, "docker login %s expires at %s", id, token.ExpiresAt)
			assert.Equal(t, want, token.ExpiresAt.Equal(soon), "docker login %s expires at %s", id, token.ExpiresAt)
		}
	})
}

// What a token made ends with it, however it ends, and counts at once.
func TestMadeEndsWithItsMaker(t *testing.T) {
	yes := true
	hash := "$another"
	for _, tc := range []struct {
		name string
		end  func(m *makers) error
		left []string
	}{
		{"the token is revoked", func(m *makers) error {
			_, became, err := m.RevokeAccessToken(m.by(""), "a", false)
			assert.Equal(m, 4, became.Ended.Count(), "it says %+v", became)
			return err
		}, []string{"r", "by-r", "by-password", "alices"}},
		{
			"a token between is revoked", func(m *makers) error { _, _, err := m.RevokeAccessToken(m.by(""), "a-made", false); return err },
			[]string{"a", "new", "news-login", "by-new", "r", "by-r", "by-password", "alices"},
		},
		{
			"the docker login is revoked", func(m *makers) error { _, _, err := m.RevokeRefreshToken(m.by(""), "r", false); return err },
			[]string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"},
		},
		{
			"all docker logins are revoked", func(m *makers) error { _, _, err := m.RevokeRefreshTokens(m.by(""), ref(m.T, "user:root")); return err },
			[]string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"},
		},
		{"the password changes", func(m *makers) error {
			_, err := m.UpdateSubject(m.by(""), ref(m.T, "user:root"), SubjectChange{PasswordHash: &hash}, 0)
			return err
		}, []string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"}},
		{"the owner is disabled", func(m *makers) error {
			_, err := m.UpdateSubject(m.by(""), ref(m.T, "user:root"), SubjectChange{Disabled: &yes}, 0)
			return err
		}, []string{"a", "by-password", "alices"}},
		{"the owner is removed", func(m *makers) error { return m.DeleteSubject(m.by(""), ref(m.T, "user:root"), 0) }, []string{"by-password", "alices"}},
		{"the owner is disabled by a document", func(m *makers) error {
			_, err := m.ApplyState(m.by(""), document(m.T, "version: dockit/v1\nusers:\n  - {name: root, admin: true, disabled: true}\n"), state.Options{})
			return err
		}, []string{"a", "by-password", "alices"}},
		{"the owner is removed by a document", func(m *makers) error {
			_, err := m.ApplyState(m.by(""), document(m.T, "version: dockit/v1\nusers:\n  - {name: boss, admin: true}\n  - name: alice\n  - name: new\nrobots:\n  - name: ci\n"), state.Options{Prune: true})
			return err
		}, []string{"by-password", "alices"}},
		{"the password changes by a document", func(m *makers) error {
			_, err := m.ApplyState(m.by(""), document(m.T, "version: dockit/v1\nusers:\n  - {name: root, admin: true, password_hash: \""+bcryptHash+"\"}\n"), state.Options{})
			return err
		}, []string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"}},
		{"the docker login is pushed out by newer ones", func(m *makers) error {
			for i := range maxRefreshTokens {
				m.login("root", fmt.Sprint("r", i))
			}
			_, err := m.writer.ExecContext(m.Context(), "DELETE FROM refresh_tokens WHERE subject_id = (SELECT id FROM subjects WHERE name = 'root')")
			return err
		}, []string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"}},
		{"the new user's password is set with a password", func(m *makers) error {
			if _, err := m.UpdateSubject(m.by(""), ref(m.T, "user:new"), SubjectChange{PasswordHash: &hash}, 0); err != nil {
				return err
			}
			_, _, err := m.RevokeAccessToken(m.by(""), "a", false)
			return err
		}, []string{"new", "r", "by-r", "by-password", "alices"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, db database) {
				m := newMakers(t, db)
				var heard []Change
				m.Watch(func(c Change) { heard = append(heard, c) })
				m.mustMake(m.by(""), "user:root", "a", Limits{})
				m.mustMake(m.by("a"), "user:root", "a-made", Limits{})
				m.mustMake(m.by("a-made"), "robot:ci", "a-made-made", Limits{})
				_, err := m.CreateSubject(m.by("a"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"})
				require.NoError(t, err)
				m.login("new", "news-login")
				m.mustMake(m.as("user:new", "news-login"), "user:new", "by-new", Limits{})
				m.login("root", "r")
				m.Store.now = func() time.Time { return m.now.Add(time.Minute) }
				m.mustMake(m.by("r"), "robot:ci", "by-r", Limits{})
				m.mustMake(m.by(""), "robot:ci", "by-password", Limits{})
				m.mustMake(m.as("user:alice", ""), "user:alice", "alices", Limits{})
				heard = nil
				require.NoError(t, tc.end(m))
				m.live(tc.left...)
				require.NotEmpty(t, heard, "other subjects than the maker's owner are concerned")
				assert.True(t, slices.ContainsFunc(heard, func(c Change) bool { return c.SubjectID == Everybody }), "other subjects than the maker's owner are concerned")
				told := ""
				for _, e := range auditOf(t, m.Store) {
					told += string(e.Before)
				}
				if ends := !strings.Contains(tc.name, "pushed out"); ends {
					assert.Contains(t, told, "made_and_ended", "the audit tells nothing of what ended")
				}
			})
		})
	}
}

const bcryptHash = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"

func TestKeepMade(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		m.mustMake(m.by(""), "user:root", "a", Limits{})
		m.mustMake(m.by("a"), "user:root", "b", Limits{})
		m.mustMake(m.by("b"), "robot:ci", "c", Limits{})
		_, _, err := m.RevokeAccessToken(m.by("a"), "b", true)
		require.ErrorIs(t, err, ErrNeedsPassword, "a token kept what a token made")
		_, became, err := m.RevokeAccessToken(m.by(""), "b", true)
		require.NoError(t, err)
		assert.Equal(t, 1, became.Kept.Count(), "%+v", became)
		assert.Equal(t, "c", became.Kept.List()[0].ID, "%+v", became)
		assert.Zero(t, became.Ended.Count(), "%+v", became)
		m.live("a", "c")
		c, err := m.AccessToken(t.Context(), "c")
		require.NoError(t, err, "made by")
		assert.Equal(t, "a", c.MadeBy, "made by %+v", c)
		// It came of the first one, too.
		_, became, err = m.RevokeAccessToken(m.by(""), "a", false)
		require.NoError(t, err)
		assert.Equal(t, 1, became.Ended.Count(), "%+v", became)
		m.live()

		m.mustMake(m.by(""), "user:root", "d", Limits{})
		m.mustMake(m.by("d"), "robot:ci", "e", Limits{})
		_, err = m.CreateSubject(m.by("d"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"})
		require.NoError(t, err)
		_, became, err = m.RevokeAccessToken(m.by(""), "d", true)
		require.NoError(t, err)
		assert.Equal(t, 2, became.Kept.Count(), "%+v", became)
		yes := true
		_, err = m.UpdateSubject(m.by(""), ref(t, "user:root"), SubjectChange{Disabled: &yes}, 0)
		require.NoError(t, err)
		m.live("e", "new")
		e, err := m.AccessToken(t.Context(), "e")
		require.NoError(t, err, "what made it is not told any more")
		assert.Equal(t, "d", e.MadeBy, "what made it is not told any more: %+v", e)
	})
}

// However much ends, an entry of the audit names no more than a thousand.
func TestAuditOfWhatEndedIsBounded(t *testing.T) {
	m := newMakers(t, onSQLite)
	m.mustMake(m.by(""), "user:root", "a", Limits{})
	const many = maxAuditList + 500
	for i := range many {
		_, err := m.writer.ExecContext(t.Context(),
			"INSERT INTO access_tokens (id, subject_id, name, hash, created_at, made_by) SELECT ?, id, ?, x'00', 0, 'a' FROM subjects WHERE name = 'ci'", fmt.Sprint("m", i), fmt.Sprint("m", i))
		require.NoError(t, err)
	}
	_, became, err := m.RevokeAccessToken(m.by(""), "a", false)
	require.NoError(t, err)
	assert.Equal(t, many, became.Ended.Count())
	assert.Len(t, became.Ended.List(), maxAuditList)
	m.live()
	entries := auditOf(t, m.Store)
	last := entries[len(entries)-1]
	assert.Equal(t, audit.RevokeToken, last.Action, "%.300s", last.Before)
	assert.Contains(t, string(last.Before), `"count":1500`, "%.300s", last.Before)
	assert.Equal(t, maxAuditList, strings.Count(string(last.Before), `"owner"`), "%.300s", last.Before)
}

// What was there before a token's maker was noted has none, and stays.
func TestOlderTokensHaveNoMaker(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		old := openConfig(t, config)
		alice := person(t, old, "alice", "$alice")
		accessToken(t, old, "user:alice", "a", "a", time.Time{})
		create(t, old, "robot:ci")
		accessToken(t, old, "robot:ci", "b", "b", time.Time{})
		refreshToken(t, old, "r", alice, "$alice")
		provider, err := goose.NewProvider(old.dialect.Goose, old.writer, old.dialect.Migrations, goose.WithDisableGlobalRegistry(true))
		require.NoError(t, err)
		_, err = provider.DownTo(t.Context(), 7)
		require.NoError(t, err)
		s := openConfig(t, config)
		made, err := s.AccessToken(t.Context(), "b")
		require.NoError(t, err)
		assert.Empty(t, made.MadeBy, "%+v", made)
		login, err := s.Login(t.Context(), "alice")
		require.NoError(t, err)
		assert.Empty(t, login.PasswordMadeBy, "%+v", login)
		assert.True(t, login.PasswordLimits.cover(Limits{}), "%+v", login)
		_, became, err := s.RevokeAccessToken(t.Context(), "a", false)
		require.NoError(t, err)
		assert.Zero(t, became.Ended.Count(), "%+v", became)
		require.NoError(t, s.DeleteSubject(t.Context(), ref(t, "user:alice"), 0))
		(&makers{T: t, Store: s}).live("b")
	})
}

func TestFreeTokenName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		var names []string
		for i := range 3 {
			made, err := m.CreateAccessToken(t.Context(), NewAccessToken{ID: fmt.Sprint(i), Owner: ref(t, "robot:ci"), Hash: []byte("h")})
			require.NoError(t, err)
			require.NoError(t, subject.ValidateName(made.Name), "%+v", made)
			names = append(names, made.Name)
		}
		assert.Equal(t, []string{"token-2026-03-01", "token-2026-03-01-2", "token-2026-03-01-3"}, names, "named")
	})
}
