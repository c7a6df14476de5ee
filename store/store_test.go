package store

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

func ref(t testing.TB, s string) subject.Ref {
	t.Helper()
	r, err := subject.ParseRef(s)
	require.NoError(t, err)
	return r
}

func permission(t *testing.T, s string) access.Permission {
	t.Helper()
	p, err := access.ParsePermission(s)
	require.NoError(t, err)
	return p
}

func create(t testing.TB, s *Store, refs ...string) {
	t.Helper()
	for _, r := range refs {
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, r)})
		require.NoError(t, err)
	}
}

func grant(t *testing.T, s *Store, to string, permissions ...string) {
	t.Helper()
	for _, p := range permissions {
		_, err := s.Grant(t.Context(), ref(t, to), permission(t, p))
		require.NoError(t, err)
	}
}

func revision(t *testing.T, s *Store) int64 {
	t.Helper()
	m, err := s.Marks(t.Context())
	require.NoError(t, err)
	return m.Revision
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(notADatabase, []byte(strings.Repeat("these are no pages of a database\n", 64)), 0o600))
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
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := os.Stat(filepath.Join(dir, "missing"))
	assert.True(t, os.IsNotExist(err), "a refused open left something behind")
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		s := openConfig(t, config)
		_, err := s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
		require.NoError(t, err)
		_, err = Open(t.Context(), config, zaptest.NewLogger(t))
		require.ErrorIs(t, err, errNewerSchema, "Open")
	})
}

func TestOpenAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := Open(t.Context(), config, zaptest.NewLogger(t))
				if !assert.NoError(t, err) {
					return
				}
				assert.NoError(t, s.Close())
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
		require.NoError(t, err)
		assert.EqualValues(t, 0o600, info.Mode().Perm(), path+suffix)
	}
}

func TestExposedFileIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1} {
		openAt(t, path)
		require.NoError(t, os.Chmod(path, mode))
		core, logs := observer.New(zap.WarnLevel)
		s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: path}, zap.New(core))
		require.NoError(t, err)
		assert.NoError(t, s.Close())
		assert.Equal(t, want, logs.FilterMessageSnippet("others can read").Len(), "mode %v: warnings", mode)
	}
}

func TestPragmas(t *testing.T) {
	s := onSQLite.open(t)
	for name, want := range map[string]string{"journal_mode": "wal", "busy_timeout": "5000", "synchronous": "1", "foreign_keys": "1", "wal_autocheckpoint": "1000"} {
		var got string
		require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got), name)
		assert.Equal(t, want, got, name)
	}
	_, err := s.reader.ExecContext(t.Context(), "DELETE FROM subjects")
	assert.Error(t, err, "a connection of the readers can write")
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
			require.NoError(t, step.do(t.Context()), step.name)
			after := revision(t, s)
			assert.Equal(t, before+1, after, "%s: revision went from %d to %d", step.name, before, after)
		}
		before := revision(t, s)
		require.ErrorIs(t, s.DeleteSubject(t.Context(), alice, 0), ErrNotFound, "second delete")
		assert.Equal(t, before, revision(t, s), "a refused change incremented the revision")
	})
}
