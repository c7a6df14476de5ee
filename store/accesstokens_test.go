package store

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/access"
)

// at sets the clock of the store and returns a function that moves it.
func at(s *Store) (advance func(time.Duration) time.Time) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return now }
	return func(d time.Duration) time.Time {
		now = now.Add(d)
		return now
	}
}

func accessToken(t *testing.T, s *Store, owner, id, name string, expiresAt time.Time) AccessToken {
	t.Helper()
	token, err := s.CreateAccessToken(t.Context(), NewAccessToken{ID: id, Owner: ref(t, owner), Name: name, Hash: []byte("hash of " + id), ExpiresAt: expiresAt})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCreateAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		now := at(s)(0)
		create(t, s, "user:alice", "robot:ci", "group:dev")
		wanted := NewAccessToken{
			ID: "one", Owner: ref(t, "robot:ci"), Name: "deploy", Hash: []byte("hash"),
			Scopes:    []access.Permission{permission(t, "repository:team/*:pull"), permission(t, "registry:catalog:*")},
			Networks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
			ExpiresAt: now.Add(time.Hour),
		}
		before := revision(t, s)
		created, err := s.CreateAccessToken(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		want := AccessToken{
			ID: "one", Owner: wanted.Owner, Name: "deploy", Scopes: wanted.Scopes, Networks: wanted.Networks,
			CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		if !reflect.DeepEqual(created, want) {
			t.Errorf("created\n%+v, want\n%+v", created, want)
		}
		if after := revision(t, s); after != before {
			t.Error("a token changed the rights of everybody")
		}
		for _, tc := range []struct {
			name string
			new  NewAccessToken
			err  error
		}{
			{"same name", NewAccessToken{ID: "two", Owner: wanted.Owner, Name: "deploy"}, ErrExists},
			{"same id", NewAccessToken{ID: "one", Owner: wanted.Owner, Name: "another"}, ErrExists},
			{"same name, another owner", NewAccessToken{ID: "two", Owner: ref(t, "user:alice"), Name: "deploy"}, nil},
			{"no owner", NewAccessToken{ID: "three", Owner: ref(t, "user:bob"), Name: "deploy"}, ErrNotFound},
			{"owner of another kind", NewAccessToken{ID: "three", Owner: ref(t, "user:ci"), Name: "x"}, ErrNotFound},
			{"group", NewAccessToken{ID: "three", Owner: ref(t, "group:dev"), Name: "deploy"}, ErrKind},
			{"anonymous", NewAccessToken{ID: "three", Owner: ref(t, "user:anonymous"), Name: "deploy"}, ErrBuiltIn},
			{"second of two", NewAccessToken{ID: "four", Owner: wanted.Owner, Name: "second", MaxLive: 2}, nil},
			{"third of two", NewAccessToken{ID: "five", Owner: wanted.Owner, Name: "third", MaxLive: 2}, ErrTooMany},
		} {
			t.Run(tc.name, func(t *testing.T) {
				tc.new.Hash = []byte("hash")
				if _, err := s.CreateAccessToken(t.Context(), tc.new); !errors.Is(err, tc.err) {
					t.Fatalf("CreateAccessToken = %v, want %v", err, tc.err)
				}
			})
		}
	})
}

func TestExpiredAccessTokensMakeRoom(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		create(t, s, "robot:ci")
		accessToken(t, s, "robot:ci", "a", "short", advance(0).Add(time.Hour))
		accessToken(t, s, "robot:ci", "b", "long", time.Time{})
		next := NewAccessToken{ID: "c", Owner: ref(t, "robot:ci"), Name: "short", Hash: []byte("hash"), MaxLive: 2}
		if _, err := s.CreateAccessToken(t.Context(), next); !errors.Is(err, ErrTooMany) {
			t.Fatalf("a third live token: %v", err)
		}
		advance(time.Hour)
		if _, err := s.CreateAccessToken(t.Context(), next); err != nil {
			t.Fatalf("in place of an expired one: %v", err)
		}
		tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), Page{Limit: 10})
		if err != nil || len(tokens) != 2 || tokens[0].ID != "b" || tokens[1].ID != "c" {
			t.Fatalf("listed %+v, %v", tokens, err)
		}
	})
}

func TestAccessTokensPages(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd")
		for _, name := range []string{"deploy", "build-1", "build-2", "test"} {
			accessToken(t, s, "robot:ci", name, name, time.Time{})
		}
		accessToken(t, s, "robot:cd", "x", "build-3", time.Time{})
		for _, tc := range []struct {
			name string
			page Page
			want []string
		}{
			{"first page", Page{Limit: 2}, []string{"build-1", "build-2"}},
			{"second page", Page{Limit: 2, After: "build-2"}, []string{"deploy", "test"}},
			{"prefix", Page{Limit: 10, Prefix: "build-"}, []string{"build-1", "build-2"}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), tc.page)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, token := range tokens {
					names = append(names, token.Name)
				}
				if !reflect.DeepEqual(names, tc.want) {
					t.Fatalf("listed %v, want %v", names, tc.want)
				}
			})
		}
		if _, err := s.AccessTokens(t.Context(), ref(t, "robot:nobody"), Page{Limit: 1}); !errors.Is(err, ErrNotFound) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

func TestRotateAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		create(t, s, "robot:ci")
		expires := advance(0).Add(24 * time.Hour)
		accessToken(t, s, "robot:ci", "a", "deploy", expires)
		now := advance(time.Hour)
		rotated, err := s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("second"), PreviousUntil: now.Add(time.Minute)})
		if err != nil || !rotated.RotatedAt.Equal(now) || !rotated.ExpiresAt.Equal(expires) || !rotated.PreviousUntil.Equal(now.Add(time.Minute)) {
			t.Fatalf("rotated %+v, %v", rotated, err)
		}
		login, err := s.AccessTokenLogin(t.Context(), "a")
		if err != nil || !bytes.Equal(login.Hash, []byte("second")) || !bytes.Equal(login.PreviousHash, []byte("hash of a")) {
			t.Fatalf("login %+v, %v", login, err)
		}
		later := now.Add(48 * time.Hour)
		rotated, err = s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("third"), ExpiresAt: &later})
		if err != nil || !rotated.ExpiresAt.Equal(later) || !rotated.PreviousUntil.IsZero() {
			t.Fatalf("rotated again %+v, %v", rotated, err)
		}
		if _, err := s.RotateAccessToken(t.Context(), "b", Rotation{Hash: []byte("x")}); !errors.Is(err, ErrNotFound) {
			t.Errorf("rotate what is not there: %v", err)
		}
	})
}

func TestRevokeAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd")
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		accessToken(t, s, "robot:cd", "b", "deploy", time.Time{})
		if revoked, _, err := s.RevokeAccessToken(t.Context(), "a", false); err != nil || revoked.Name != "deploy" || revoked.Owner != ref(t, "robot:ci") {
			t.Fatalf("revoked %+v, %v", revoked, err)
		}
		if err := s.DeleteSubject(t.Context(), ref(t, "robot:cd"), 0); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b"} {
			if _, err := s.AccessTokenLogin(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("login with %s: %v", id, err)
			}
			if _, err := s.AccessToken(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("show %s: %v", id, err)
			}
			if _, _, err := s.RevokeAccessToken(t.Context(), id, false); !errors.Is(err, ErrNotFound) {
				t.Errorf("revoke %s: %v", id, err)
			}
		}
	})
}

func TestAccessTokenLogin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		yes := true
		if _, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:root"), Admin: true, PasswordHash: "$argon2id$"}); err != nil {
			t.Fatal(err)
		}
		create(t, s, "robot:ci")
		accessToken(t, s, "user:root", "a", "laptop", time.Time{})
		accessToken(t, s, "robot:ci", "b", "deploy", time.Time{})
		if _, err := s.UpdateSubject(t.Context(), ref(t, "robot:ci"), SubjectChange{Disabled: &yes}, 0); err != nil {
			t.Fatal(err)
		}
		root, err := s.AccessTokenLogin(t.Context(), "a")
		if err != nil || root.Ref != ref(t, "user:root") || !root.Admin || root.Disabled || root.PasswordHash != "" {
			t.Errorf("root: %+v, %v", root, err)
		}
		if ci, err := s.AccessTokenLogin(t.Context(), "b"); err != nil || !ci.Disabled || ci.Admin {
			t.Errorf("ci: %+v, %v", ci, err)
		}
		// A limit that cannot be read must not become no limit.
		if _, err := s.writer.ExecContext(t.Context(), "UPDATE access_tokens SET networks = '10.0.0.0'"); err != nil {
			t.Fatal(err)
		}
		if login, err := s.AccessTokenLogin(t.Context(), "a"); err == nil {
			t.Errorf("an unreadable limit: %+v", login)
		}
	})
}

func TestTokensInTheAudit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		at(s)
		create(t, s, "robot:ci")
		alice := person(t, s, "alice", "$a")
		before := len(auditOf(t, s))
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		if _, err := s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("hash of the next")}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.RevokeAccessToken(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
		refreshToken(t, s, "r1", alice, "$a")
		refreshToken(t, s, "r2", alice, "$a")
		refreshToken(t, s, "r3", alice, "$a")
		if _, _, err := s.RevokeRefreshToken(t.Context(), "r1", false); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to revoke
			if _, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice")); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, e := range auditOf(t, s)[before:] {
			if strings.Contains(string(e.Before)+string(e.After), "hash") {
				t.Errorf("a hash in the audit: %+v", e)
			}
			got = append(got, strings.Join([]string{string(e.Action), string(e.Subject), string(e.Before), string(e.After)}, " "))
		}
		want := []string{
			`create-token robot:ci  {"access_token":"a","name":"deploy"}`,
			`rotate-token robot:ci  {"access_token":"a","name":"deploy"}`,
			`revoke-token robot:ci {"access_token":"a","name":"deploy"} `,
			`revoke-token user:alice {"refresh_token":"r1","service":"registry.example.com"} `,
			`revoke-token user:alice {"refresh_tokens":2} `,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("audit\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
