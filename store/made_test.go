package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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
		if _, err := m.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:"+name), Admin: true, PasswordHash: "$" + name}); err != nil {
			t.Fatal(err)
		}
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
	if err := m.make(ctx, owner, id, limits); err != nil {
		m.Fatal(err)
	}
}

func (m *makers) login(name, id string) {
	m.Helper()
	login, err := m.Login(m.Context(), name)
	if err != nil {
		m.Fatal(err)
	}
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
		if err != nil {
			m.Fatal(err)
		}
		got = append(got, some...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.Errorf("left are %v, want %v", got, want)
	}
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
			if err := m.make(m.by("maker"), "robot:ci", id, tc.asked); !errors.Is(err, tc.err) {
				t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
			} else if err != nil {
				continue
			}
			made, err := m.AccessToken(t.Context(), id)
			if err != nil || !slices.Equal(made.Networks, tc.want.Networks) || !made.ExpiresAt.Equal(tc.want.ExpiresAt) || made.MadeBy != "maker" {
				t.Errorf("%s: made %+v, %v", tc.name, made, err)
			}
		}
		t.Run("by a secret that ends sooner", func(t *testing.T) {
			grace := Limits{hour.Networks, m.now.Add(time.Minute)}
			ctx := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Credential: Credential{ID: "maker", Limits: grace}})
			m.mustMake(ctx, "robot:ci", "graced", Limits{})
			if made, err := m.AccessToken(t.Context(), "graced"); err != nil || !made.ExpiresAt.Equal(grace.ExpiresAt) {
				t.Errorf("made %+v, %v", made, err)
			}
			if _, err := m.RotateAccessToken(ctx, "maker", Rotation{Hash: []byte("x")}); !errors.Is(err, ErrWider) {
				t.Errorf("it got a new secret that lives on: %v", err)
			}
		})
		t.Run("after it ended", func(t *testing.T) {
			for name, id := range map[string]string{"revoked": "gone", "never there": "never"} {
				if err := m.make(m.by(id), "robot:ci", "late", Limits{}); !errors.Is(err, ErrCredentialEnded) {
					t.Errorf("%s: %v", name, err)
				}
			}
			m.Store.now = func() time.Time { return hour.ExpiresAt }
			if err := m.make(m.by("maker"), "robot:ci", "late", Limits{}); !errors.Is(err, ErrCredentialEnded) {
				t.Errorf("expired: %v", err)
			}
		})
	})
}

func TestDockerLoginMakesNothingThatOutlivesIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		m.login("root", "r")
		m.mustMake(m.by("r"), "robot:ci", "made", Limits{})
		made, err := m.AccessToken(t.Context(), "made")
		if err != nil || made.MadeBy != "r" || !made.ExpiresAt.Equal(m.now.Add(90*24*time.Hour)) {
			t.Errorf("made %+v, %v", made, err)
		}
		if err := m.make(m.by("r"), "robot:ci", "later", Limits{ExpiresAt: m.now.Add(91 * 24 * time.Hour)}); !errors.Is(err, ErrWider) {
			t.Errorf("later than the docker login: %v", err)
		}
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
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.RotateAccessToken(m.by(tc.by), tc.id, Rotation{Hash: []byte("new"), ExpiresAt: tc.expiresAt})
			if !errors.Is(err, tc.err) {
				t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
			}
			after, rerr := m.AccessToken(t.Context(), tc.id)
			if rerr != nil || after.MadeBy != tc.madeBy || err != nil && !after.ExpiresAt.Equal(before.ExpiresAt) {
				t.Errorf("%s: became %+v, %v", tc.name, after, rerr)
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
		if _, err := m.CreateSubject(m.by("maker"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$n"}); err != nil {
			t.Fatal(err)
		}
		rotated, err := m.RotateAccessToken(m.by(""), "maker", Rotation{Hash: []byte("x"), PreviousUntil: day, ExpiresAt: &day})
		if err != nil || !rotated.ExpiresAt.Equal(day) || !rotated.PreviousUntil.Equal(hour) {
			t.Errorf("rotated %+v, %v", rotated, err)
		}
		soon := m.now.Add(time.Minute)
		if _, err := m.RotateAccessToken(m.by(""), "maker", Rotation{Hash: []byte("y"), ExpiresAt: &soon}); err != nil {
			t.Fatal(err)
		}
		if made, err := m.AccessToken(t.Context(), "made"); err != nil || !made.ExpiresAt.Equal(soon) {
			t.Errorf("made %+v, %v", made, err)
		}
		if login, err := m.Login(t.Context(), "new"); err != nil || !login.PasswordLimits.ExpiresAt.Equal(soon) {
			t.Errorf("password %+v, %v", login, err)
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
			if became.Ended.Count() != 4 {
				m.Errorf("it says %+v", became)
			}
			return err
		}, []string{"r", "by-r", "by-password", "alices"}},
		{"a token between is revoked", func(m *makers) error { _, _, err := m.RevokeAccessToken(m.by(""), "a-made", false); return err },
			[]string{"a", "new", "news-login", "by-new", "r", "by-r", "by-password", "alices"}},
		{"the docker login is revoked", func(m *makers) error { _, _, err := m.RevokeRefreshToken(m.by(""), "r", false); return err },
			[]string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"}},
		{"all docker logins are revoked", func(m *makers) error { _, _, err := m.RevokeRefreshTokens(m.by(""), ref(m.T, "user:root")); return err },
			[]string{"a", "a-made", "a-made-made", "new", "news-login", "by-new", "by-password", "alices"}},
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
				if _, err := m.CreateSubject(m.by("a"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"}); err != nil {
					t.Fatal(err)
				}
				m.login("new", "news-login")
				m.mustMake(m.as("user:new", "news-login"), "user:new", "by-new", Limits{})
				m.login("root", "r")
				m.Store.now = func() time.Time { return m.now.Add(time.Minute) }
				m.mustMake(m.by("r"), "robot:ci", "by-r", Limits{})
				m.mustMake(m.by(""), "robot:ci", "by-password", Limits{})
				m.mustMake(m.as("user:alice", ""), "user:alice", "alices", Limits{})
				heard = nil
				if err := tc.end(m); err != nil {
					t.Fatal(err)
				}
				m.live(tc.left...)
				if len(heard) == 0 || !slices.ContainsFunc(heard, func(c Change) bool { return c.SubjectID == Everybody }) {
					t.Errorf("heard %v: other subjects than the maker's owner are concerned", heard)
				}
				told := ""
				for _, e := range auditOf(t, m.Store) {
					told += string(e.Before)
				}
				if ends := !strings.Contains(tc.name, "pushed out"); ends && !strings.Contains(told, "made_and_ended") {
					t.Errorf("the audit tells nothing of what ended: %s", told)
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
		if _, _, err := m.RevokeAccessToken(m.by("a"), "b", true); !errors.Is(err, ErrNeedsPassword) {
			t.Errorf("a token kept what a token made: %v", err)
		}
		_, became, err := m.RevokeAccessToken(m.by(""), "b", true)
		if err != nil || became.Kept.Count() != 1 || became.Kept.List()[0].ID != "c" || became.Ended.Count() != 0 {
			t.Errorf("%+v, %v", became, err)
		}
		m.live("a", "c")
		if c, err := m.AccessToken(t.Context(), "c"); err != nil || c.MadeBy != "a" {
			t.Errorf("made by %+v, %v", c, err)
		}
		// It came of the first one, too.
		if _, became, err = m.RevokeAccessToken(m.by(""), "a", false); err != nil || became.Ended.Count() != 1 {
			t.Errorf("%+v, %v", became, err)
		}
		m.live()

		m.mustMake(m.by(""), "user:root", "d", Limits{})
		m.mustMake(m.by("d"), "robot:ci", "e", Limits{})
		if _, err := m.CreateSubject(m.by("d"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"}); err != nil {
			t.Fatal(err)
		}
		if _, became, err = m.RevokeAccessToken(m.by(""), "d", true); err != nil || became.Kept.Count() != 2 {
			t.Errorf("%+v, %v", became, err)
		}
		yes := true
		if _, err := m.UpdateSubject(m.by(""), ref(t, "user:root"), SubjectChange{Disabled: &yes}, 0); err != nil {
			t.Fatal(err)
		}
		m.live("e", "new")
		if e, err := m.AccessToken(t.Context(), "e"); err != nil || e.MadeBy != "d" {
			t.Errorf("what made it is not told any more: %+v, %v", e, err)
		}
	})
}

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
			if _, err := m.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:off"), Admin: true, Disabled: true}); err != nil {
				t.Fatal(err)
			}
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
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				if !errors.Is(err, ErrNeedsPassword) {
					t.Errorf("%s: %v, want %v", name, err, ErrNeedsPassword)
				}
				if export(t, m.Store) != before || revision(t, m.Store) != number || len(auditOf(t, m.Store)) != entries {
					t.Errorf("%s: refused, and something changed", name)
				}
			}
			if !tc.allowed {
				if err := tc.do(m, m.by("")); err != nil {
					t.Errorf("with a password: %v", err)
				}
			}
		})
	}
}

// A password that a token gives to a new user has the limits of the token, also
// when its owner changes it, until somebody with a password does.
func TestPasswordMadeByAToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		limits := Limits{networks(t, "10.0.0.0/8"), m.now.Add(time.Hour)}
		m.mustMake(m.by(""), "user:root", "a", limits)
		if _, err := m.CreateSubject(m.by("a"), NewSubject{Ref: ref(t, "user:new"), PasswordHash: "$new"}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.ApplyState(m.by("a"), document(t, "version: dockit/v1\nusers:\n  - {name: applied, password_hash: \""+bcryptHash+"\"}\n"), state.Options{}); err != nil {
			t.Fatal(err)
		}
		limited := func(name string, want bool) {
			t.Helper()
			l, err := m.Login(t.Context(), name)
			if err != nil || (l.PasswordMadeBy == "a") != want || slices.Equal(l.PasswordLimits.Networks, limits.Networks) != want || l.PasswordLimits.ExpiresAt.Equal(limits.ExpiresAt) != want {
				t.Errorf("%s: %+v, %v", name, l, err)
			}
			s, err := m.Subject(t.Context(), ref(t, "user:"+name))
			if err != nil || s.PasswordMadeBy != l.PasswordMadeBy || !slices.Equal(s.PasswordLimits.Networks, l.PasswordLimits.Networks) {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		}
		limited("new", true)
		limited("applied", true)
		own := WithActor(t.Context(), Actor{Ref: ref(t, "user:new"), Credential: Credential{ID: "a", Password: true, Limits: limits}})
		hash := "$own"
		if _, err := m.UpdateSubject(own, ref(t, "user:new"), SubjectChange{PasswordHash: &hash}, 0); err != nil {
			t.Fatal(err)
		}
		limited("new", true)
		m.mustMake(own, "user:new", "news", Limits{})
		if made, err := m.AccessToken(t.Context(), "news"); err != nil || made.MadeBy != "a" || !made.ExpiresAt.Equal(limits.ExpiresAt) {
			t.Errorf("made %+v, %v", made, err)
		}
		if _, err := m.UpdateSubject(m.by(""), ref(t, "user:new"), SubjectChange{PasswordHash: &hash}, 0); err != nil {
			t.Fatal(err)
		}
		limited("new", false)
		if err := m.make(own, "user:new", "late", Limits{}); !errors.Is(err, ErrCredentialEnded) {
			t.Errorf("with a password that is not the user's any more: %v", err)
		}
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
		if err != nil {
			t.Fatal(err)
		}
	}
	_, became, err := m.RevokeAccessToken(m.by(""), "a", false)
	if err != nil || became.Ended.Count() != many || len(became.Ended.List()) != maxAuditList {
		t.Errorf("ended %d, listed %d, %v", became.Ended.Count(), len(became.Ended.List()), err)
	}
	m.live()
	entries := auditOf(t, m.Store)
	last := entries[len(entries)-1]
	if last.Action != audit.RevokeToken || !strings.Contains(string(last.Before), `"count":1500`) || strings.Count(string(last.Before), `"owner"`) != maxAuditList {
		t.Errorf("%s %.300s", last.Action, last.Before)
	}
}

func TestFreeTokenName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		m := newMakers(t, db)
		var names []string
		for i := range 3 {
			made, err := m.CreateAccessToken(t.Context(), NewAccessToken{ID: fmt.Sprint(i), Owner: ref(t, "robot:ci"), Hash: []byte("h")})
			if err != nil || subject.ValidateName(made.Name) != nil {
				t.Fatalf("%+v, %v", made, err)
			}
			names = append(names, made.Name)
		}
		if want := []string{"token-2026-03-01", "token-2026-03-01-2", "token-2026-03-01-3"}; !slices.Equal(names, want) {
			t.Errorf("named %v, want %v", names, want)
		}
	})
}
