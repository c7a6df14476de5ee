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
		before, err := s.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
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
		"newer":   {func(t *testing.T, path string) { makeNewer(t, path) }, ErrNewerSchema},
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
