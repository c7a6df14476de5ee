package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

// person makes a user with a password and returns its id.
func person(t *testing.T, s *Store, name, hash string) int64 {
	t.Helper()
	created, err := s.CreateSubject(t.Context(), NewSubject{Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: hash})
	if err != nil {
		t.Fatal(err)
	}
	return created.ID
}

func refreshToken(t *testing.T, s *Store, id string, owner int64, hash string) {
	t.Helper()
	err := s.CreateRefreshToken(t.Context(), NewRefreshToken{
		ID: id, OwnerID: owner, PasswordHash: hash, Service: "registry.example.com", Hash: []byte("hash of " + id),
		Client: "docker", Address: "192.0.2.1", ExpiresAt: s.now().Add(90 * 24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefreshTokens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		now := advance(0)
		alice, bob := person(t, s, "alice", "$a"), person(t, s, "bob", "$b")
		refreshToken(t, s, "a1", alice, "$a")
		advance(time.Minute)
		refreshToken(t, s, "a2", alice, "$a")
		refreshToken(t, s, "b1", bob, "$b")

		login, err := s.RefreshTokenLogin(t.Context(), "a1")
		if err != nil || login.ID != alice || login.Service != "registry.example.com" || string(login.Hash) != "hash of a1" ||
			!login.LastUsedAt.Equal(now) || !login.ExpiresAt.Equal(now.Add(90*24*time.Hour)) {
			t.Fatalf("login %+v, %v", login, err)
		}
		tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
		if err != nil || len(tokens) != 2 || tokens[0].ID != "a2" || tokens[1].ID != "a1" {
			t.Fatalf("listed %+v, %v", tokens, err)
		}
		if got := tokens[0]; got.Client != "docker" || got.Address != "192.0.2.1" || got.Owner != ref(t, "user:alice") ||
			got.LastUse != (Use{now.Add(time.Minute), "192.0.2.1", "docker"}) {
			t.Errorf("listed %+v", got)
		}
		if revoked, _, err := s.RevokeRefreshToken(t.Context(), "a1", false); err != nil || revoked.Owner != ref(t, "user:alice") {
			t.Errorf("revoked %+v, %v", revoked, err)
		}
		if _, _, err := s.RevokeRefreshToken(t.Context(), "a1", false); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoked again: %v", err)
		}
		if n, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice")); err != nil || n != 1 {
			t.Errorf("revoked %d, %v", n, err)
		}
		if _, err := s.RefreshTokenLogin(t.Context(), "a2"); !errors.Is(err, ErrNotFound) {
			t.Errorf("login after revocation: %v", err)
		}
		if _, err := s.RefreshToken(t.Context(), "b1"); err != nil {
			t.Errorf("bob's: %v", err)
		}
	})
}

func TestRefreshTokensEndWithTheirSubject(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		yes, no, hash := true, false, "$new"
		for _, tc := range []struct {
			name   string
			change func(t *testing.T, s *Store, alice int64) error
			ends   bool
		}{
			{"removed", func(t *testing.T, s *Store, _ int64) error {
				return s.DeleteSubject(t.Context(), ref(t, "user:alice"), 0)
			}, true},
			{"disabled", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &yes}, 0)
				return err
			}, true},
			{"disabled and enabled again", func(t *testing.T, s *Store, _ int64) error {
				if _, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &yes}, 0); err != nil {
					return err
				}
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &no}, 0)
				return err
			}, true},
			{"another password", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{PasswordHash: &hash}, 0)
				return err
			}, true},
			{"made an admin", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Admin: &yes}, 0)
				return err
			}, false},
			{"another hash of the same password", func(t *testing.T, s *Store, alice int64) error {
				_, err := s.ReplacePasswordHash(t.Context(), alice, "$a", hash)
				return err
			}, false},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := db.open(t)
				alice := person(t, s, "alice", "$a")
				refreshToken(t, s, "a", alice, "$a")
				refreshToken(t, s, "b", person(t, s, "bob", "$b"), "$b")
				if err := tc.change(t, s, alice); err != nil {
					t.Fatal(err)
				}
				if _, err := s.RefreshTokenLogin(t.Context(), "a"); errors.Is(err, ErrNotFound) != tc.ends {
					t.Errorf("login = %v, want it to end: %v", err, tc.ends)
				}
				if _, err := s.RefreshTokenLogin(t.Context(), "b"); err != nil {
					t.Errorf("bob's: %v", err)
				}
			})
		}
	})
}

func TestNoRefreshTokenForAnOldPassword(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		yes, hash := true, "$new"
		alice := person(t, s, "alice", "$a")
		create(t, s, "user:bob")
		change := func(c SubjectChange) {
			t.Helper()
			if _, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), c, 0); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(name string, owner int64, hash string) {
			t.Helper()
			err := s.CreateRefreshToken(t.Context(), NewRefreshToken{ID: name, OwnerID: owner, PasswordHash: hash, Hash: []byte("x")})
			if !errors.Is(err, ErrStale) {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused("nobody", 4711, "$a")
		change(SubjectChange{PasswordHash: &hash})
		refused("changed in the meantime", alice, "$a")
		change(SubjectChange{Disabled: &yes})
		refused("disabled in the meantime", alice, "$new")
	})
}

func TestRefreshTokensAreBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		for i := range maxRefreshTokens + 5 {
			refreshToken(t, s, fmt.Sprint("t", i), alice, "$a")
			advance(time.Second)
		}
		tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
		if err != nil || len(tokens) != maxRefreshTokens {
			t.Fatalf("%d tokens, %v", len(tokens), err)
		}
		if _, err := s.RefreshTokenLogin(t.Context(), "t4"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the fifth: %v", err)
		}
		if _, err := s.RefreshTokenLogin(t.Context(), "t5"); err != nil {
			t.Errorf("the sixth: %v", err)
		}
		// What expired is taken away by the next login of anybody.
		advance(91 * 24 * time.Hour)
		refreshToken(t, s, "late", person(t, s, "bob", "$b"), "$b")
		if _, err := s.RefreshToken(t.Context(), "t50"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an expired one: %v", err)
		}
	})
}
