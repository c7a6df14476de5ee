package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/zap/zaptest"

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
			if _, err := s.CreateSubject(t.Context(), robot); err != nil {
				t.Errorf("create while a backup runs: %v", err)
				return
			}
		}
	})
	for range 10 {
		before := revision(t, s)
		c, err := Backup(t.Context(), configAt(path), file, true)
		if err != nil {
			t.Fatal(err)
		}
		// The revision of an empty database is 1.
		if c.Revision < before || c.Subjects != c.Revision-1 {
			t.Errorf("copy %+v of revision %d or later", c, before)
		}
	}
	close(stop)
	wg.Wait()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the backup: %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRestoreInUse has a store open, idle: it keeps its database.
func TestRestoreInUse(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	s := openAt(t, path)
	if _, err := Backup(t.Context(), configAt(path), file, false); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), configAt(path), file, false); !errors.Is(err, ErrFileExists) {
		t.Errorf("without force: %v", err)
	}
	if _, err := Restore(t.Context(), configAt(path), file, true); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
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
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{file, filepath.Join(dir, "other.sqlite")} {
			if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := Restore(t.Context(), configAt(filepath.Join(dir, "other.sqlite")), file, true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subjects != 1 {
		t.Errorf("restored %+v", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "other.sqlite-wal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old log: %v", err)
	}
	restored := openAt(t, filepath.Join(dir, "other.sqlite"))
	if _, err := restored.Subject(t.Context(), ref(t, "robot:in-the-log")); err != nil {
		t.Error(err)
	}
}

// TestBadBackups neither restores nor copies what is damaged, foreign or of a
// newer Dockit, and changes nothing.
func TestBadBackups(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
	}{
		"header":  {func(t *testing.T, path string) { overwrite(t, path, 0, 100) }, ErrForeign},
		"middle":  {func(t *testing.T, path string) { overwrite(t, path, 2*4096, 4096) }, ErrDamaged},
		"cut":     {func(t *testing.T, path string) { shorten(t, path) }, ErrDamaged},
		"empty":   {func(t *testing.T, path string) { _ = os.Truncate(path, 0) }, ErrForeign},
		"foreign": {func(t *testing.T, path string) { execute(t, path, "DROP TABLE permissions") }, ErrForeign},
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
			if err != nil {
				t.Fatal(err)
			}
			create(t, s, "robot:one")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Backup(t.Context(), configAt(path), file, false); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, file)
			before := read(t, path)
			if _, err := Restore(t.Context(), configAt(path), file, true); !errors.Is(err, test.want) {
				t.Errorf("restore: %v, want %v", err, test.want)
			}
			if !bytes.Equal(read(t, path), before) {
				t.Error("a refused restore has changed the database")
			}
			if _, err := Backup(t.Context(), configAt(file), filepath.Join(dir, "again.sqlite"), false); !errors.Is(err, test.want) {
				t.Errorf("backup: %v, want %v", err, test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*again*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
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
	if _, err := Backup(t.Context(), configAt(path), file, false); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), configAt(filepath.Join(dir, "other.sqlite")), file, false); err != nil {
		t.Error(err)
	}
}

// TestReplacedThroughALink leaves nothing of the old database behind.
func TestReplacedThroughALink(t *testing.T) {
	dir := t.TempDir()
	target, link, file := filepath.Join(dir, "target.sqlite"), filepath.Join(dir, "dockit.sqlite"), filepath.Join(dir, "backup.sqlite")
	for path, name := range map[string]string{target: "robot:old", file: "robot:new"} {
		s, err := Open(t.Context(), configAt(path), zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, name)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("target.sqlite", link); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), configAt(link), file, false); !errors.Is(err, ErrFileExists) {
		t.Errorf("without force: %v", err)
	}
	if _, err := Restore(t.Context(), configAt(link), file, true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	s := openAt(t, target)
	if _, err := s.Subject(t.Context(), ref(t, "robot:new")); err != nil {
		t.Error(err)
	}
	if bytes.Contains(read(t, target), []byte("old")) {
		t.Error("the old database is still at the target of the link")
	}
	// A backup through a link is the same.
	if _, err := Backup(t.Context(), configAt(target), link, true); err == nil {
		t.Error("the database is copied over itself")
	}
	backupLink := filepath.Join(dir, "latest.sqlite")
	if err := os.Symlink("backup.sqlite", backupLink); err != nil {
		t.Fatal(err)
	}
	if c, err := Backup(t.Context(), configAt(target), backupLink, true); err != nil || c.File != file {
		t.Errorf("backup through a link: %+v, %v", c, err)
	}
	dangling := filepath.Join(dir, "dangling.sqlite")
	if err := os.Symlink("nowhere.sqlite", dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), configAt(dangling), file, true); err == nil {
		t.Error("a link to nothing is replaced")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// overwrite writes garbage into a file.
func overwrite(t *testing.T, path string, offset, length int) {
	t.Helper()
	content := read(t, path)
	copy(content[offset:], bytes.Repeat([]byte{0xa5}, length))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shorten cuts the second half of a file off.
func shorten(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, int64(len(read(t, path)))/2); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// makeNewer makes a database one that a later Dockit has migrated.
func makeNewer(t *testing.T, path string) {
	t.Helper()
	execute(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
}
