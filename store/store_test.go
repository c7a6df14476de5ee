package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

func ref(t *testing.T, s string) subject.Ref {
	t.Helper()
	r, err := subject.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func permission(t *testing.T, s string) access.Permission {
	t.Helper()
	p, err := access.ParsePermission(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func create(t *testing.T, s *Store, refs ...string) {
	t.Helper()
	for _, r := range refs {
		if _, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, r)}); err != nil {
			t.Fatal(err)
		}
	}
}

func grant(t *testing.T, s *Store, to string, permissions ...string) {
	t.Helper()
	for _, p := range permissions {
		if _, err := s.Grant(t.Context(), ref(t, to), permission(t, p)); err != nil {
			t.Fatal(err)
		}
	}
}

func revision(t *testing.T, s *Store) int64 {
	t.Helper()
	m, err := s.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m.Revision
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(notADatabase, []byte(strings.Repeat("these are no pages of a database\n", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name         string
		dialect, dsn string
		want         string
	}{
		{"unknown dialect", "postgres", "x", `"postgres"`},
		{"missing folder", "sqlite", filepath.Join(dir, "missing", "dockit.sqlite"), "missing"},
		{"a folder", "sqlite", dir, dir},
		{"another kind of file", "sqlite", notADatabase, "notes.txt"},
		{"no path", "sqlite", "", "names no file"},
		{"memory", "sqlite", ":memory:", "name a file"},
		{"memory by URI", "sqlite", "file:x?mode=memory", "name a file"},
		{"broken URI", "sqlite", "file:x?%zz", "parameters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Open(t.Context(), Config{Dialect: tc.dialect, DSN: tc.dsn}, zaptest.NewLogger(t))
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %q does not name %q", err, tc.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); !os.IsNotExist(err) {
		t.Error("a refused open left something behind")
	}
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		s := openConfig(t, config)
		if _, err := s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), config, zaptest.NewLogger(t)); !errors.Is(err, errNewerSchema) {
			t.Fatalf("Open = %v, want %v", err, errNewerSchema)
		}
	})
}

func TestOpenAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := Open(t.Context(), config, zaptest.NewLogger(t))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestFileBelongsToItsOwner(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes")
	}
	path := filepath.Join(t.TempDir(), "odd #?%20name.sqlite")
	create(t, openAt(t, path), "user:alice")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path+suffix, info.Mode().Perm())
		}
	}
}

func TestExposedFileIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1} {
		openAt(t, path)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.WarnLevel)
		s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: path}, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := logs.FilterMessageSnippet("others can read").Len(); got != want {
			t.Errorf("mode %v: %d warnings, want %d", mode, got, want)
		}
	}
}

func TestPragmas(t *testing.T) {
	s := onSQLite.open(t)
	for name, want := range map[string]string{"journal_mode": "wal", "busy_timeout": "5000", "synchronous": "1", "foreign_keys": "1", "wal_autocheckpoint": "1000"} {
		var got string
		if err := s.writer.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), "DELETE FROM subjects"); err == nil {
		t.Error("a connection of the readers can write")
	}
}

func TestRevision(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		alice, dev := ref(t, "user:alice"), ref(t, "group:dev")
		yes := true
		for _, step := range []struct {
			name string
			do   func(ctx context.Context) error
		}{
			{"create", func(ctx context.Context) error {
				_, err := s.CreateSubject(ctx, NewSubject{Ref: alice})
				return err
			}},
			{"create group", func(ctx context.Context) error {
				_, err := s.CreateSubject(ctx, NewSubject{Ref: dev})
				return err
			}},
			{"add member", func(ctx context.Context) error { _, err := s.AddMember(ctx, dev, alice); return err }},
			{"grant", func(ctx context.Context) error {
				_, err := s.Grant(ctx, dev, permission(t, "repository:a/b:pull,push"))
				return err
			}},
			{"revoke", func(ctx context.Context) error {
				_, err := s.Revoke(ctx, dev, permission(t, "repository:a/b:push"))
				return err
			}},
			{"disable", func(ctx context.Context) error {
				_, err := s.UpdateSubject(ctx, alice, SubjectChange{Disabled: &yes}, 0)
				return err
			}},
			{"remove member", func(ctx context.Context) error { return s.RemoveMember(ctx, dev, alice) }},
			{"delete", func(ctx context.Context) error { return s.DeleteSubject(ctx, alice, 0) }},
		} {
			before := revision(t, s)
			if err := step.do(t.Context()); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if after := revision(t, s); after != before+1 {
				t.Errorf("%s: revision went from %d to %d", step.name, before, after)
			}
		}
		before := revision(t, s)
		if err := s.DeleteSubject(t.Context(), alice, 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("second delete = %v", err)
		}
		if after := revision(t, s); after != before {
			t.Error("a refused change incremented the revision")
		}
	})
}
