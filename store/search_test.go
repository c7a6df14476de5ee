package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

// BenchmarkSearch looks for a part of the names of 100,000 users, all of whom are in a group, and counts what is found.
func BenchmarkSearch(b *testing.B) {
	const users = 100_000
	s := openAt(b, filepath.Join(b.TempDir(), "dockit.sqlite"))
	manyUsers(b, s, users)
	for name, search := range map[string]string{"all": "", "many": "son", "few": "99999@", "none": "zzz"} {
		page := Page{Limit: 51, Search: search}
		group := ref(b, "group:all")
		for what, read := range map[string]func() error{
			"list":          func() error { _, err := s.Subjects(b.Context(), subject.User, page); return err },
			"count":         func() error { _, err := s.CountSubjects(b.Context(), subject.User, page); return err },
			"members":       func() error { _, err := s.Members(b.Context(), group, page); return err },
			"count-members": func() error { _, err := s.CountMembers(b.Context(), group, page); return err },
		} {
			b.Run(what+"/"+name, func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					began := time.Now()
					require.NoError(b, read())
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}

// manyUsers makes person000001@example.com and the like, all of them in group:all.
func manyUsers(t testing.TB, s *Store, users int) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO subjects (kind, name, password_hash, created_at, updated_at) SELECT 'user', printf('person%%06d@example.com', i), printf('%%0120d', i), 1, 1 FROM n`, users))
	require.NoError(t, err)
	_, err = s.writer.ExecContext(t.Context(), "INSERT INTO subjects (kind, name, created_at, updated_at) VALUES ('group', 'all', 1, 1)")
	require.NoError(t, err)
	_, err = s.writer.ExecContext(t.Context(), `INSERT INTO memberships (group_id, member_id, created_at)
		SELECT (SELECT id FROM subjects WHERE name = 'all'), id, 1 FROM subjects WHERE kind = 'user' AND name LIKE 'person%'`)
	require.NoError(t, err)
}
