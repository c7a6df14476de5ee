package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

func TestCreateFirstAdmin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		catalog := access.Permission{Type: access.Registry, Name: "catalog", Actions: access.All}
		everything := access.Permission{Type: access.Repository, Name: "**", Actions: access.All}

		t.Run("with permissions", func(t *testing.T) {
			s := db.open(t)
			created, err := s.CreateFirstAdmin(t.Context(), ref(t, "user:root"), "$argon2id$", []access.Permission{everything, catalog})
			if err != nil || !created.Admin || !created.HasPassword {
				t.Fatalf("created %+v, %v", created, err)
			}
			permissions, err := s.Permissions(t.Context(), created.Ref, Page{Limit: 10})
			if err != nil || len(permissions) != 2 {
				t.Fatalf("permissions %v, %v", permissions, err)
			}
		})
		t.Run("name taken", func(t *testing.T) {
			s := db.open(t)
			create(t, s, "robot:root")
			if _, err := s.CreateFirstAdmin(t.Context(), ref(t, "user:root"), "$argon2id$", nil); !errors.Is(err, ErrExists) {
				t.Fatal(err)
			}
		})
		t.Run("not a user", func(t *testing.T) {
			s := db.open(t)
			if _, err := s.CreateFirstAdmin(t.Context(), ref(t, "robot:root"), "", nil); !errors.Is(err, ErrKind) {
				t.Fatal(err)
			}
		})
		t.Run("several nodes at once", func(t *testing.T) {
			s := db.open(t)
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				wg.Go(func() {
					name := string(rune('a' + i))
					_, errs[i] = s.CreateFirstAdmin(t.Context(), subject.Ref{Kind: subject.User, Name: name}, "$argon2id$", nil)
				})
			}
			wg.Wait()
			created := 0
			for _, err := range errs {
				switch {
				case err == nil:
					created++
				case !errors.Is(err, ErrExists):
					t.Error(err)
				}
			}
			if created != 1 {
				t.Fatalf("%d admins created, want 1", created)
			}
		})
	})
}
