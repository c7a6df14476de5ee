package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

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
			require.NoError(t, err, "created")
			require.True(t, created.Admin, "created %+v", created)
			require.True(t, created.HasPassword, "created %+v", created)
			permissions, err := s.Permissions(t.Context(), created.Ref, Page{Limit: 10})
			require.NoError(t, err)
			require.Len(t, permissions, 2)
		})
		t.Run("name taken", func(t *testing.T) {
			s := db.open(t)
			create(t, s, "robot:root")
			_, err := s.CreateFirstAdmin(t.Context(), ref(t, "user:root"), "$argon2id$", nil)
			require.ErrorIs(t, err, ErrExists)
		})
		t.Run("not a user", func(t *testing.T) {
			s := db.open(t)
			_, err := s.CreateFirstAdmin(t.Context(), ref(t, "robot:root"), "", nil)
			require.ErrorIs(t, err, ErrKind)
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
			require.Equal(t, 1, created, "admins created")
		})
	})
}
