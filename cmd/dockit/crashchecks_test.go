package main

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite" // also the driver of package store

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
)

// openReadOnly opens a database beside a server.
func openReadOnly(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	facts := map[string]bool{}
	for rows.Next() {
		var fact string
		if err := rows.Scan(&fact); err != nil {
			t.Fatal(err)
		}
		facts[fact] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return facts
}

// checkDatabase lets SQLite check a database.
func checkDatabase(t *testing.T, path string) {
	t.Helper()
	db := openReadOnly(t, path)
	defer db.Close()
	var integrity string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity check: %s %v", integrity, err)
	}
	var violations int
	if err := db.QueryRow("SELECT COUNT(*) FROM pragma_foreign_key_check").Scan(&violations); err != nil || violations > 0 {
		t.Errorf("foreign keys: %d violations, %v", violations, err)
	}
}

// verifyChain reads the whole audit, in which an earlier head must still be,
// and returns its head.
func verifyChain(t *testing.T, c *client.Client, earlier audit.Head) audit.Head {
	t.Helper()
	head, err := c.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var chain audit.Chain
	for e, err := range c.Audit(t.Context(), client.AuditOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.Next(e); err != nil {
			t.Fatal(err)
		}
		if e.Sequence == earlier.Sequence && chain.Head() != earlier {
			t.Errorf("the audit lost %v", earlier)
		}
	}
	if chain.Head() != head {
		t.Errorf("the audit ends at %v, and should at %v", chain.Head(), head)
	}
	if head.Sequence < earlier.Sequence {
		t.Errorf("the audit lost what came between %v and %v", head, earlier)
	}
	return head
}
