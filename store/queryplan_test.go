package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store/internal/dialect"
	"github.com/dockit-registry/dockit/subject"
)

// TestQueriesUseIndexes looks at how SQLite answers what must not take longer
// with more subjects.
func TestQueriesUseIndexes(t *testing.T) {
	s := onSQLite.open(t)
	yes, no := true, false
	listed := func(p Page) (string, []any) {
		condition, args := p.condition()
		return "SELECT " + subjectColumns + " FROM subjects s WHERE s.kind = ? AND " + condition + " ORDER BY s.name LIMIT 10",
			append([]any{subject.User}, args...)
	}
	for _, tc := range []struct {
		name string
		page Page
		by   string
	}{
		{"first page", Page{}, "subjects_by_kind (kind=? AND name>?)"},
		{"page", Page{After: "m"}, "subjects_by_kind (kind=? AND name>?)"},
		{"prefix", Page{Prefix: "m"}, "subjects_by_kind (kind=? AND name>? AND name<?)"},
		{"admins", Page{Admin: &yes}, "subjects_admins (kind=? AND name>?)"},
		{"disabled", Page{Disabled: &yes, After: "m"}, "subjects_disabled (kind=? AND name>?)"},
		{"enabled admins", Page{Admin: &yes, Disabled: &no}, "subjects_admins (kind=? AND name>?)"},
	} {
		query, args := listed(tc.page)
		assert.Equal(t, "SEARCH s USING INDEX "+tc.by, queryPlan(t, s, query, args...), tc.name)
	}
	among, args := Page{Admin: &yes, Disabled: &no}.among([]int64{1, 2, 3})
	assert.Equal(t, "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)\nUSE TEMP B-TREE FOR ORDER BY",
		queryPlan(t, s, foundQuery(among), append(args, subject.User, 10)...), "what was found")
	assert.Equal(t, []string{"SEARCH s USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH m USING PRIMARY KEY (member_id=? AND group_id=?)", "USE TEMP B-TREE FOR ORDER BY"},
		strings.Split(queryPlan(t, s, foundMembersQuery(among), append(args, 1, 10)...), "\n"), "members that were found")
	for name, query := range map[string]string{
		"login": loginQuery, "access token": accessLoginQuery, "refresh token": refreshLoginQuery, "session": sessionLoginQuery,
		"failures": failuresQuery, "rights": effectiveQuery, "kinds of hashes": dialect.SQLite.HashSamples, "networks": loginNetworkQuery,
		"made tokens": madeTokensQuery + "(?, ?)", "made passwords": madePasswordsQuery + "(?, ?)",
	} {
		args := make([]any, strings.Count(query, "?"))
		for line := range strings.Lines(queryPlan(t, s, query, args...)) {
			table := strings.TrimSpace(strings.TrimPrefix(line, "SCAN "))
			if strings.HasPrefix(line, "SCAN ") && table != "CONSTANT ROW" && table != "o" {
				assert.Equal(t, "kinds", table, "%s: %s", name, line)
			}
		}
	}
}

func queryPlan(t *testing.T, s *Store, query string, args ...any) string {
	t.Helper()
	steps, err := collect(t.Context(), s.reader, func(row scanner) (step string, err error) {
		var id, parent, unused int
		return step, row.Scan(&id, &parent, &unused, &step)
	}, "EXPLAIN QUERY PLAN "+query, args...)
	require.NoError(t, err)
	return strings.Join(steps, "\n")
}
