package store

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/store/sqlitefile"
	"github.com/dockit-registry/dockit/subject"
)

func configAt(path string) Config { return Config{Dialect: "sqlite", DSN: path} }

// TestBackupWhileWriting copies a database again and again while it is written
// to: every copy holds whole transactions, and what was written before it.
func TestBackupWhileWriting(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	s := openAt(t, path)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			robot := NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: fmt.Sprintf("robot-%d", i)}}
			_, err := s.CreateSubject(t.Context(), robot)
			if !assert.NoError(t, err, "create while a backup runs") {
				return
			}
		}
	})
	for range 10 {
		before := revision(t, s)
		c, err := Backup(t.Context(), configAt(path), file, true)
		require.NoError(t, err)
		// The revision of an empty database is 1.
		assert.GreaterOrEqual(t, c.Revision, before)
		assert.Equal(t, c.Revision-1, c.Subjects)
	}
	close(stop)
	wg.Wait()
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm(), "mode of the backup: %v", info.Mode())
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	assert.Empty(t, left, "left behind")
}

// TestRestoreInUse has a store open, idle: it keeps its database.
func TestRestoreInUse(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	s := openAt(t, path)
	_, err := Backup(t.Context(), configAt(path), file, false)
	require.NoError(t, err)
	_, err = Restore(t.Context(), configAt(path), file, false)
	require.ErrorIs(t, err, sqlitefile.ErrFileExists, "without force")
	_, err = Restore(t.Context(), configAt(path), file, true)
	require.ErrorIs(t, err, sqlitefile.ErrInUse, "in use")
	create(t, s, "robot:still-there")
}

// TestRestoreWithLog restores files that were copied with their write-ahead
// log, over a database with a log of its own.
func TestRestoreWithLog(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "copied.sqlite")
	s := openAt(t, path)
	create(t, s, "robot:in-the-log")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		for _, to := range []string{file, filepath.Join(dir, "other.sqlite")} {
			require.NoError(t, os.WriteFile(to+suffix, content, 0o600))
		}
	}
	c, err := Restore(t.Context(), configAt(filepath.Join(dir, "other.sqlite")), file, true)
	require.NoError(t, err)
	assert.EqualValues(t, 1, c.Subjects, "restored %+v", c)
	_, err = os.Stat(filepath.Join(dir, "other.sqlite-wal"))
	require.ErrorIs(t, err, os.ErrNotExist, "the old log")
	restored := openAt(t, filepath.Join(dir, "other.sqlite"))
	_, err = restored.Subject(t.Context(), ref(t, "robot:in-the-log"))
	assert.NoError(t, err)
}

// TestBadBackups neither restores nor copies what is damaged, foreign or of a
// newer Dockit, and changes nothing.
func TestBadBackups(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
	}{
		"header":  {func(t *testing.T, path string) { overwrite(t, path, 0, 100) }, sqlitefile.ErrForeign},
		"middle":  {func(t *testing.T, path string) { overwrite(t, path, 2*4096, 4096) }, sqlitefile.ErrDamaged},
		"cut":     {func(t *testing.T, path string) { shorten(t, path) }, sqlitefile.ErrDamaged},
		"empty":   {func(t *testing.T, path string) { _ = os.Truncate(path, 0) }, sqlitefile.ErrForeign},
		"foreign": {func(t *testing.T, path string) { execute(t, path, "DROP TABLE permissions") }, sqlitefile.ErrForeign},
		"newer":   {func(t *testing.T, path string) { makeNewer(t, path) }, errNewerSchema},
		"trigger": {func(t *testing.T, path string) {
			execute(t, path, "CREATE TRIGGER evil AFTER INSERT ON login_failures BEGIN UPDATE subjects SET admin = 1; END")
		}, errForeignSchema},
		"view":    {func(t *testing.T, path string) { execute(t, path, "CREATE VIEW evil AS SELECT 1") }, errForeignSchema},
		"table":   {func(t *testing.T, path string) { execute(t, path, "CREATE TABLE evil (a)") }, errForeignSchema},
		"index":   {func(t *testing.T, path string) { execute(t, path, "CREATE INDEX evil ON subjects (name)") }, errForeignSchema},
		"column":  {func(t *testing.T, path string) { execute(t, path, "ALTER TABLE subjects ADD COLUMN evil INTEGER") }, errForeignSchema},
		"dropped": {func(t *testing.T, path string) { execute(t, path, "DROP TABLE changes") }, errForeignSchema},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
			s, err := Open(t.Context(), configAt(path), zaptest.NewLogger(t))
			require.NoError(t, err)
			create(t, s, "robot:one")
			require.NoError(t, s.Close())
			_, err = Backup(t.Context(), configAt(path), file, false)
			require.NoError(t, err)
			test.spoil(t, file)
			before := read(t, path)
			_, err = Restore(t.Context(), configAt(path), file, true)
			require.ErrorIs(t, err, test.want, "restore")
			assert.Equal(t, before, read(t, path), "a refused restore has changed the database")
			_, err = Backup(t.Context(), configAt(file), filepath.Join(dir, "again.sqlite"), false)
			require.ErrorIs(t, err, test.want, "backup")
			left, _ := filepath.Glob(filepath.Join(dir, "*again*"))
			assert.Empty(t, left, "left behind")
		})
	}
}

// TestRestoreOfAReplicatedDatabase restores one that Litestream has its tables
// in, and statistics of SQLite.
func TestRestoreOfAReplicatedDatabase(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	s := openAt(t, path)
	create(t, s, "robot:one")
	execute(t, path, "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
	execute(t, path, "CREATE TABLE _litestream_lock (id INTEGER)")
	execute(t, path, "ANALYZE")
	_, err := Backup(t.Context(), configAt(path), file, false)
	require.NoError(t, err)
	_, err = Restore(t.Context(), configAt(filepath.Join(dir, "other.sqlite")), file, false)
	assert.NoError(t, err)
}

// TestReplacedThroughALink leaves nothing of the old database behind.
func TestReplacedThroughALink(t *testing.T) {
	dir := t.TempDir()
	target, link, file := filepath.Join(dir, "target.sqlite"), filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	for path, name := range map[string]string{target: "robot:old", file: "robot:new"} {
		s, err := Open(t.Context(), configAt(path), zaptest.NewLogger(t))
		require.NoError(t, err)
		create(t, s, name)
		require.NoError(t, s.Close())
	}
	require.NoError(t, os.Symlink("target.sqlite", link))
	_, err := Restore(t.Context(), configAt(link), file, false)
	require.ErrorIs(t, err, sqlitefile.ErrFileExists, "without force")
	_, err = Restore(t.Context(), configAt(link), file, true)
	require.NoError(t, err)
	info, err := os.Lstat(link)
	require.NoError(t, err, "the link is gone")
	assert.NotZero(t, info.Mode()&os.ModeSymlink, "the link is gone")
	s := openAt(t, target)
	_, err = s.Subject(t.Context(), ref(t, "robot:new"))
	require.NoError(t, err)
	assert.NotContains(t, string(read(t, target)), "old", "the old database is still at the target of the link")
	// A backup through a link is the same.
	_, err = Backup(t.Context(), configAt(target), link, true)
	require.Error(t, err, "the database is copied over itself")
	backupLink := filepath.Join(dir, "latest.sqlite")
	require.NoError(t, os.Symlink("backup.sqlite", backupLink))
	c, err := Backup(t.Context(), configAt(target), backupLink, true)
	require.NoError(t, err, "backup through a link")
	assert.Equal(t, file, c.File, "backup through a link: %+v", c)
	dangling := filepath.Join(dir, "dangling.sqlite")
	require.NoError(t, os.Symlink("nowhere.sqlite", dangling))
	_, err = Restore(t.Context(), configAt(dangling), file, true)
	assert.Error(t, err, "a link to nothing is replaced")
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// overwrite writes garbage into a file.
func overwrite(t *testing.T, path string, offset, length int) {
	t.Helper()
	content := read(t, path)
	copy(content[offset:], bytes.Repeat([]byte{0xa5}, length))
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// shorten cuts the second half of a file off.
func shorten(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Truncate(path, int64(len(read(t, path)))/2))
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// makeNewer makes a database one that a later Dockit has migrated.
func makeNewer(t *testing.T, path string) {
	t.Helper()
	execute(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
}
