package page

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkPagesOfManySubjects is whole pages of users, robots, groups and the members of one, where there are 100,000 users, all of
// them in it, 10,000 robots and 1,000 groups.
func BenchmarkPagesOfManySubjects(b *testing.B) {
	f := newFixture(b)
	for kind, count := range map[string]int{"user": 100_000, "robot": 10_000, "group": 1000} {
		f.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO subjects (kind, name, created_at, updated_at) SELECT '%s', printf('%s%%06d.example', i), 1, 1 FROM n`, count, kind, kind))
	}
	f.make("group:all")
	f.exec(`INSERT INTO memberships (group_id, member_id, created_at)
		SELECT (SELECT id FROM subjects WHERE name = 'all'), id, 1 FROM subjects WHERE kind = 'user' AND name LIKE 'user%'`)
	browser := f.signedIn("root")
	for range 20 { // until names that are searched for are in memory
		require.Equal(b, http.StatusOK, browser.get("users?q=zzz").Code)
	}
	for _, page := range []struct{ name, path string }{
		{"users", "users"},
		{"users, disabled", "users?disabled=yes"},
		{"users, many hits", "users?q=exam"},
		{"users, few hits", "users?q=99999"},
		{"users, no hit", "users?q=zzz"},
		{"robots", "robots"},
		{"robots, few hits", "robots?q=9999"},
		{"groups", "groups"},
		{"groups, no hit", "groups?q=zzz"},
		{"members", "groups/all"},
		{"members, few hits", "groups/all?q=99999"},
		{"members, no hit", "groups/all?q=zzz"},
	} {
		b.Run(page.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				answer := browser.get(page.path)
				took = append(took, time.Since(began))
				require.Equal(b, http.StatusOK, answer.Code)
			}
			slices.Sort(took)
			for metric, percent := range map[string]int{"p50-ms": 50, "p99-ms": 99} {
				b.ReportMetric(float64(took[len(took)*percent/100].Microseconds())/1000, metric)
			}
		})
	}
}
