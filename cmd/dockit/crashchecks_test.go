package main

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // also the driver of package store

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
)

// openReadOnly opens a database beside a server.
func openReadOnly(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	return db
}

// readFacts reads subjects, members and permissions of which the subject's name
// begins with a prefix, each as a line.
func readFacts(t *testing.T, path, prefix string) map[string]bool {
	t.Helper()
	db := openReadOnly(t, path)
	defer db.Close()
	rows, err := db.Query(`
		SELECT s.kind || ':' || s.name FROM subjects s WHERE s.name LIKE ?1 || '%-%'
		UNION ALL
		SELECT s.kind || ':' || s.name || ' in ' || g.name FROM memberships m
			JOIN subjects s ON s.id = m.member_id JOIN subjects g ON g.id = m.group_id WHERE s.name LIKE ?1 || '%-%'
		UNION ALL
		SELECT s.kind || ':' || s.name || ' may ' || p.name || CASE p.actions WHEN 1 THEN ':pull' ELSE ':push' END FROM permissions p
			JOIN subjects s ON s.id = p.subject_id WHERE s.name LIKE ?1 || '%-%'`, prefix)
	require.NoError(t, err)
	defer rows.Close()
	facts := map[string]bool{}
	for rows.Next() {
		var fact string
		require.NoError(t, rows.Scan(&fact))
		facts[fact] = true
	}
	require.NoError(t, rows.Err())
	return facts
}

// checkDatabase lets SQLite check a database.
func checkDatabase(t *testing.T, path string) {
	t.Helper()
	db := openReadOnly(t, path)
	defer db.Close()
	var integrity string
	require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&integrity), "integrity check")
	assert.Equal(t, "ok", integrity, "integrity check")
	var violations int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM pragma_foreign_key_check").Scan(&violations), "foreign keys")
	assert.Zero(t, violations, "foreign keys")
}

// verifyChain reads the whole audit, in which an earlier head must still be,
// and returns its head.
func verifyChain(t *testing.T, c *client.Client, earlier audit.Head) audit.Head {
	t.Helper()
	head, err := c.AuditHead(t.Context())
	require.NoError(t, err)
	var chain audit.Chain
	for e, err := range c.Audit(t.Context(), client.AuditOptions{}) {
		require.NoError(t, err)
		require.NoError(t, chain.Next(e))
		if e.Sequence == earlier.Sequence {
			assert.Equal(t, earlier, chain.Head(), "the audit lost")
		}
	}
	assert.Equal(t, head, chain.Head(), "the audit ends at %v, and should at %v", chain.Head(), head)
	assert.GreaterOrEqual(t, head.Sequence, earlier.Sequence, "the audit lost what came between %v and %v", head, earlier)
	return head
}
