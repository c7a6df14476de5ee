package store

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

// BenchmarkSearch looks for a part of the names of 100,000 users, all of whom are in a group, and counts what is found:
// by the names in memory, as they are kept while somebody searches, and after a change of a user or of anything else.
func BenchmarkSearch(b *testing.B) {
	const users = 100_000
	for _, db := range []database{onSQLite, onMariaDB} {
		b.Run(db.dialect, func(b *testing.B) {
			s := db.open(b)
			manyUsers(b, s, users)
			group, yes := ref(b, "group:all"), true
			searches := map[string]Page{
				"all": {}, "many hits": {Search: "son"}, "few hits": {Search: "99999@"}, "no hit": {Search: "zzz"},
				"few hits, disabled": {Search: "9999", Disabled: &yes}, "many hits, disabled": {Search: "son", Disabled: &yes},
			}
			create(b, s, "group:dev") // the first change is known to have happened
			warm(b, s)
			for name, page := range searches {
				page.Limit = 51
				reads := map[string]func() error{
					"list":          func() error { _, err := s.Subjects(b.Context(), subject.User, page); return err },
					"count":         func() error { _, err := s.CountSubjects(b.Context(), subject.User, page); return err },
					"members":       func() error { _, err := s.Members(b.Context(), group, page); return err },
					"count-members": func() error { _, err := s.CountMembers(b.Context(), group, page); return err },
				}
				for what, read := range reads {
					b.Run(what+"/"+name, func(b *testing.B) { timed(b, func() {}, read) })
				}
				for what, changed := range map[string]int64{"user": 7, "group": Everybody} {
					b.Run("list/"+name+"/after a change of a "+what, func(b *testing.B) {
						timed(b, func() {
							require.NoError(b, s.change(b.Context(), func(*sql.Tx) (affected, error) { return affected(changed), nil }))
						}, reads["list"])
					})
				}
			}
			b.Run("read all names", func(b *testing.B) {
				timed(b, func() {}, func() error { _, err := s.readNames(b.Context()); return err })
			})
		})
	}
}

// timed reports how long what is read takes, without what happens before.
func timed(b *testing.B, before func(), read func() error) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		before()
		began := time.Now()
		require.NoError(b, read())
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for metric, percent := range map[string]int{"p50-ms": 50, "p99-ms": 99} {
		b.ReportMetric(float64(took[len(took)*percent/100].Microseconds())/1000, metric)
	}
}

// manyUsers makes person000001@example.com and the like, all of them in group:all.
func manyUsers(t testing.TB, s *Store, users int) {
	t.Helper()
	const atOnce = 1000
	tx, err := s.writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	for i := 1; i <= users; i += atOnce {
		var rows []string
		for j := i; j < min(i+atOnce, users+1); j++ {
			rows = append(rows, fmt.Sprintf("('user', 'person%06d@example.com', '%0120d', 1, 1)", j, j))
		}
		_, err := tx.ExecContext(t.Context(), "INSERT INTO subjects (kind, name, password_hash, created_at, updated_at) VALUES "+strings.Join(rows, ","))
		require.NoError(t, err)
	}
	for _, statement := range []string{
		"INSERT INTO subjects (kind, name, created_at, updated_at) VALUES ('group', 'all', 1, 1)",
		`INSERT INTO memberships (group_id, member_id, created_at)
			SELECT (SELECT id FROM subjects WHERE name = 'all'), id, 1 FROM subjects WHERE kind = 'user' AND name LIKE 'person%'`,
	} {
		_, err := tx.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
}
