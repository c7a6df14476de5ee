package sqlitefile

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// migrations make what the package knows of Dockit's tables, and one of its own.
func migrations(number int) fs.FS {
	all := fstest.MapFS{}
	for i, text := range []string{
		"CREATE TABLE subjects (id INTEGER PRIMARY KEY); CREATE TABLE permissions (id INTEGER PRIMARY KEY); CREATE TABLE revision (id INTEGER PRIMARY KEY, number INTEGER);" +
			"INSERT INTO revision VALUES (1, 7); INSERT INTO subjects VALUES (1), (2), (3);",
		"CREATE TABLE later (id INTEGER PRIMARY KEY);",
	}[:number] {
		all[[]string{"00001_first.sql", "00002_second.sql"}[i]] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return all
}

// made is a database with so many migrations in a folder of its own.
func made(t *testing.T, number int) Database {
	t.Helper()
	d := Database{Path: filepath.Join(t.TempDir(), "a b?.sqlite"), Migrations: migrations(number)}
	db, err := sql.Open("sqlite", d.URI("immediate"))
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, d.Migrations)
	require.NoError(t, err)
	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Close())
	return d
}

func execute(t *testing.T, d Database, statement string) {
	t.Helper()
	db, err := d.connect()
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// TestBackupAndRestore guards that the migrations which are handed over are all
// that the package needs to know of a schema.
func TestBackupAndRestore(t *testing.T) {
	d := made(t, 1)
	file := filepath.Join(t.TempDir(), "backup.sqlite")
	written, err := d.Backup(t.Context(), file, false)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	want := Copy{File: file, Bytes: info.Size(), Schema: 1, Revision: 7, Subjects: 1}
	assert.Equal(t, want, written)

	other := made(t, 2) // a backup of an older Dockit
	restored, err := other.Restore(t.Context(), file, true)
	require.NoError(t, err)
	want.File = other.Path
	assert.Equal(t, want, restored)
	version, known, err := other.Schema(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 2}, []int64{version, known})
}

// TestSchema guards which schemas pass, of a file and of an open database.
func TestSchema(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil    string
		known    int // migrations
		want     error
		ofBackup error // where that is another
	}{
		"as migrated":   {known: 2},
		"of Litestream": {spoil: "CREATE TABLE _litestream_seq (id INTEGER)", known: 2},
		"of statistics": {spoil: "ANALYZE", known: 2},
		"trigger":       {spoil: "CREATE TRIGGER evil AFTER INSERT ON later BEGIN DELETE FROM subjects; END", known: 2, want: ErrForeignSchema},
		"missing":       {spoil: "DROP TABLE later", known: 2, want: ErrForeignSchema},
		"newer":         {known: 1, want: ErrForeignSchema, ofBackup: ErrNewerSchema},
	} {
		t.Run(name, func(t *testing.T) {
			d := made(t, 2)
			d.Migrations = migrations(tc.known)
			if tc.spoil != "" {
				execute(t, d, tc.spoil)
			}
			db, err := d.connect()
			require.NoError(t, err)
			defer db.Close()
			require.ErrorIs(t, CheckSchema(t.Context(), db, d.Migrations), tc.want)
			if tc.ofBackup == nil {
				tc.ofBackup = tc.want
			}
			_, err = d.Backup(t.Context(), filepath.Join(t.TempDir(), "backup.sqlite"), false)
			require.ErrorIs(t, err, tc.ofBackup)
		})
	}
}

// TestLock guards that a database which is open, were it idle, is not replaced,
// and that nothing is left of the attempt.
func TestLock(t *testing.T) {
	d := made(t, 1)
	file := filepath.Join(t.TempDir(), "backup.sqlite")
	_, err := d.Backup(t.Context(), file, false)
	require.NoError(t, err)
	db, err := sql.Open("sqlite", d.URI("immediate", "journal_mode(WAL)"))
	require.NoError(t, err)
	var subjects int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM subjects").Scan(&subjects))
	_, err = d.Restore(t.Context(), file, true)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, db.Close())
	_, err = d.Restore(t.Context(), file, true)
	require.NoError(t, err)
	left, err := os.ReadDir(filepath.Dir(d.Path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}
