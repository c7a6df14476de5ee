package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReplacePasswordHash(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		alice := person(t, s, "alice", "$2y$old")
		before, err := s.Subject(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		number := revision(t, s)
		replaced, err := s.ReplacePasswordHash(t.Context(), alice, "$2y$another", "$argon2id$")
		require.NoError(t, err, "from another hash: %v", replaced)
		assert.False(t, replaced, "from another hash: %v", replaced)
		replaced, err = s.ReplacePasswordHash(t.Context(), alice, "$2y$old", "$argon2id$")
		require.NoError(t, err, "from the hash: %v", replaced)
		assert.True(t, replaced, "from the hash: %v", replaced)
		login, err := s.Login(t.Context(), "alice")
		require.NoError(t, err, "login")
		assert.Equal(t, "$argon2id$", login.PasswordHash, "login %+v", login)
		after, err := s.Subject(t.Context(), before.Ref)
		require.NoError(t, err, "the subject changed")
		assert.Equal(t, before, after, "the subject changed")
		assert.Equal(t, number, revision(t, s), "the subject changed")
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
		require.NoError(t, err)
		require.Len(t, samples, len(kinds))
		for _, kind := range kinds {
			found := false
			for _, sample := range samples {
				found = found || strings.HasPrefix(sample, kind)
			}
			assert.True(t, found, "no sample of %s among %q", kind, samples)
		}
	})
}
