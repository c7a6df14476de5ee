package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestReplacePasswordHash(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		alice := person(t, s, "alice", "$2y$old")
		before, err := s.Subject(t.Context(), ref(t, "user:alice"))
		if err != nil {
			t.Fatal(err)
		}
		number := revision(t, s)
		if replaced, err := s.ReplacePasswordHash(t.Context(), alice, "$2y$another", "$argon2id$"); err != nil || replaced {
			t.Errorf("from another hash: %v, %v", replaced, err)
		}
		if replaced, err := s.ReplacePasswordHash(t.Context(), alice, "$2y$old", "$argon2id$"); err != nil || !replaced {
			t.Errorf("from the hash: %v, %v", replaced, err)
		}
		if login, err := s.Login(t.Context(), "alice"); err != nil || login.PasswordHash != "$argon2id$" {
			t.Errorf("login %+v, %v", login, err)
		}
		if after, err := s.Subject(t.Context(), before.Ref); err != nil || !reflect.DeepEqual(after, before) || revision(t, s) != number {
			t.Errorf("the subject changed: %+v, %v", after, err)
		}
	})
}

func TestPasswordHashSamples(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci")
		kinds := []string{"$2a$10$", "$2y$10$", "$2y$12$", "$argon2id$v=19$m=19456,t=2,p=1$", "$argon2id$v=19$m=65536,t=3,p=4$"}
		for i := range 50 {
			person(t, s, fmt.Sprint("user-", i), kinds[i%len(kinds)]+fmt.Sprintf("salt-%02d", i))
		}
		samples, err := s.PasswordHashSamples(t.Context())
		if err != nil || len(samples) != len(kinds) {
			t.Fatalf("%d samples %q, %v", len(samples), samples, err)
		}
		for _, kind := range kinds {
			found := false
			for _, sample := range samples {
				found = found || strings.HasPrefix(sample, kind)
			}
			if !found {
				t.Errorf("no sample of %s among %q", kind, samples)
			}
		}
	})
}
