package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store/migrations"
)

// writeFixtures is the variable that has TestUpgrades write the database of a schema version that is new:
//
//	DOCKIT_TEST_FIXTURES=write go test ./store -run TestUpgrades
//
// Those that are there are never written again: they are what people have.
const writeFixtures = "DOCKIT_TEST_FIXTURES"

// rowsSince are what a database holds from a schema version on, as a Dockit of that time wrote it.
var rowsSince = map[int64]string{
	1: `INSERT INTO subjects (id, kind, name, admin, password_hash, created_at, updated_at) VALUES
	(3, 'user', 'alice', 1, '$2a$04$uptsupKGr67Y2qWUjSQjt.vYcOYpQbUJkDIUe8VRvrj5yQjD44KNi', 1700000000000000, 1700000000000000),
	(4, 'robot', 'ci', 0, '', 1700000000000000, 1700000000000000), (5, 'group', 'dev', 0, '', 1700000000000000, 1700000000000000);
INSERT INTO memberships (group_id, member_id, created_at) VALUES (5, 3, 1700000000000000);
INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES
	(4, 'repository', 'team/app', 2, 1700000000000000, 1700000000000000), (5, 'namespace', 'team', 1, 1700000000000000, 1700000000000000);`,
	4: `INSERT INTO access_tokens (id, subject_id, name, hash, created_at) VALUES ('deploy', 4, 'deploy', x'00ff', 1700000000000000);`,
	6: `INSERT INTO changes (revision, subject_id) VALUES (1, 3);`,
	12: `INSERT INTO issuers (id, name, url, kind, audiences, jwks, ca, version, created_at, updated_at) VALUES
	(1, 'idp', 'https://idp.example.com', 'generic', '[]', '', '', 1, 1700000000000000, 1700000000000000);`,
	16: `INSERT INTO bindings (id, name, issuer_id, subject_id, conditions, expose, scopes, session, version, created_at, updated_at) VALUES
	(1, 'cluster', 1, 4, '["a=b"]', '["ns=a"]', '', 0, 1, 1700000000000000, 1700000000000000);`,
}

// TestUpgrades brings the database of every schema version that there was up to date, and finds in it what was there.
func TestUpgrades(t *testing.T) {
	versions := schemaVersions(t)
	for _, version := range versions {
		fixture := filepath.Join("testdata", "schema", fmt.Sprintf("sqlite-%05d.sql", version))
		if _, err := os.Stat(fixture); err != nil && os.Getenv(writeFixtures) == "write" {
			writeFixture(t, fixture, version)
		}
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			content, err := os.ReadFile(fixture)
			require.NoError(t, err, "a schema version without a database of it: %s=write go test ./store -run TestUpgrades", writeFixtures)
			path := filepath.Join(t.TempDir(), "dockit.sqlite")
			db := openRaw(t, path)
			_, err = db.ExecContext(t.Context(), string(content))
			require.NoError(t, err)
			require.NoError(t, db.Close())
			require.NoError(t, Check(t.Context(), Config{Dialect: "sqlite", DSN: path}))

			s := openAt(t, path)
			login, err := s.Login(t.Context(), "alice")
			require.NoError(t, err)
			assert.True(t, login.Admin)
			assert.Contains(t, login.PasswordHash, "$2a$04$")
			permissions, err := s.EffectivePermissions(t.Context(), ref(t, "user:alice"))
			require.NoError(t, err)
			require.Len(t, permissions, 1, "by way of her group")
			assert.Equal(t, "namespace:team:pull", permissions[0].String())
			own, err := s.Permissions(t.Context(), ref(t, "robot:ci"), Page{Limit: 10})
			require.NoError(t, err)
			assert.Equal(t, []access.Permission{permission(t, "repository:team/app:push")}, own)
			if version >= 4 {
				token, err := s.AccessTokenLogin(t.Context(), "deploy")
				require.NoError(t, err)
				assert.Equal(t, []byte{0, 0xff}, token.Hash)
			}
			if version >= 12 {
				_, err := s.Issuer(t.Context(), "idp")
				require.NoError(t, err)
			}
			if version >= 16 {
				b, err := s.Binding(t.Context(), "cluster")
				require.NoError(t, err)
				assert.Equal(t, "[ns=a]", fmt.Sprint(b.Expose))
			}
			create(t, s, "user:bob")
			head, err := s.AuditHead(t.Context())
			require.NoError(t, err)
			assert.Positive(t, head.Sequence)
		})
	}
}

// TestDowngradeIsRefusedInWords guards what somebody reads who starts an older Dockit on a database that a newer one has
// migrated, and that the database is left as it was.
func TestDowngradeIsRefusedInWords(t *testing.T) {
	versions := schemaVersions(t)
	known := versions[len(versions)-1]
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	require.NoError(t, openAt(t, path).Close())
	db := openRaw(t, path)
	_, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", known+1)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	words := fmt.Sprintf("schema version %d, this Dockit knows %d: start the newer Dockit, or restore a backup", known+1, known)
	config := Config{Dialect: "sqlite", DSN: path}
	require.ErrorContains(t, Check(t.Context(), config), words)
	_, err = Open(t.Context(), config, zaptest.NewLogger(t))
	require.ErrorContains(t, err, words)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// schemaVersions are all that there are, the oldest first.
func schemaVersions(t *testing.T) []int64 {
	t.Helper()
	db := openRaw(t, filepath.Join(t.TempDir(), "none.sqlite"))
	var versions []int64
	for _, source := range migrationsOf(t, db).ListSources() {
		versions = append(versions, source.Version)
	}
	require.NoError(t, db.Close())
	require.GreaterOrEqual(t, len(versions), 12)
	return versions
}

func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	return db
}

func migrationsOf(t *testing.T, db *sql.DB) *goose.Provider {
	t.Helper()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations.SQLite, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	return provider
}

// writeFixture writes a database as it was at a version: what it says of when it was migrated is left out, so that it
// does not change from one time to the next.
func writeFixture(t *testing.T, path string, version int64) {
	t.Helper()
	db := openRaw(t, filepath.Join(t.TempDir(), "fixture.sqlite"))
	for v := int64(1); v <= version; v++ {
		_, err := migrationsOf(t, db).UpTo(t.Context(), v)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), rowsSince[v])
		require.NoError(t, err, "version %d", v)
	}
	_, err := db.ExecContext(t.Context(), "UPDATE goose_db_version SET tstamp = ?", time.Unix(1_700_000_000, 0).UTC().Format(time.DateTime))
	require.NoError(t, err)
	var text strings.Builder
	fmt.Fprintf(&text, "-- A database of schema version %d, as Dockit made it then. Never change it: see upgrade_test.go.\nPRAGMA foreign_keys = OFF;\n", version)
	for _, row := range texts(t, db, "SELECT sql || ';' FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid") {
		text.WriteString(row + "\n")
	}
	for _, table := range texts(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY name") {
		columns := texts(t, db, "SELECT name FROM pragma_table_info('"+table+"') ORDER BY cid")
		quoted := "quote(\"" + strings.Join(columns, "\") || ', ' || quote(\"") + "\")"
		for _, row := range texts(t, db, "SELECT "+quoted+" FROM \""+table+"\"") {
			fmt.Fprintf(&text, "INSERT INTO %s (%s) VALUES (%s);\n", table, strings.Join(columns, ", "), row)
		}
	}
	require.NoError(t, db.Close())
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
}

func texts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query)
	require.NoError(t, err)
	all, err := scanAll(rows, func(row scanner) (text string, err error) { return text, row.Scan(&text) })
	require.NoError(t, err)
	return all
}
