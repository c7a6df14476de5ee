package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// traces is what a folder holds, by name.
func traces(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := make(map[string]string, len(entries))
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		all[entry.Name()] = string(content)
	}
	return all
}

// A configuration is checked on machines where nothing may be touched, and
// beside servers that run.
func TestCheckLeavesNoTrace(t *testing.T) {
	made := func(t *testing.T, path string) *Store {
		s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: path}, zap.NewNop())
		require.NoError(t, err)
		return s
	}
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
	}{
		"nothing there": {func(*testing.T, string) {}, nil},
		"empty file":    {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) }, nil},
		"closed":        {func(t *testing.T, path string) { require.NoError(t, made(t, path).Close()) }, nil},
		"open": {func(t *testing.T, path string) {
			s := made(t, path)
			t.Cleanup(func() { _ = s.Close() })
		}, nil},
		"older": {func(t *testing.T, path string) {
			s := made(t, path)
			_, err := s.writer.ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 1")
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}, nil},
		"newer": {func(t *testing.T, path string) {
			s := made(t, path)
			_, err := s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, 1)")
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}, errNewerSchema},
		"no database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("this is not a database, whatever its name says"), 0o600))
		}, sqlitefile.ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "dockit.sqlite")
			tc.prepare(t, path)
			before := traces(t, dir)
			err := Check(t.Context(), Config{Dialect: "sqlite", DSN: path})
			if tc.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tc.want)
				require.ErrorContains(t, err, path)
			}
			require.Equal(t, before, traces(t, dir))
		})
	}
}

// A database whose server was killed still has a part of it in its log.
func TestCheckOfAnUnfinishedLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dockit.sqlite")
	s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: path}, zap.NewNop())
	require.NoError(t, err)
	defer s.Close()
	copied := t.TempDir()
	for name, content := range traces(t, dir) {
		require.NoError(t, os.WriteFile(filepath.Join(copied, name), []byte(content), 0o600))
	}
	before := traces(t, copied)
	require.NotEmpty(t, before["dockit.sqlite-wal"])
	require.NoError(t, Check(t.Context(), Config{Dialect: "sqlite", DSN: filepath.Join(copied, "dockit.sqlite")}))
	require.Equal(t, before, traces(t, copied))
}

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"dialect":               {Config{Dialect: "oracle", DSN: "x"}, `"oracle"`},
		"folder is missing":     {Config{Dialect: "sqlite", DSN: filepath.Join(dir, "none", "a")}, "make it"},
		"folder is a file":      {Config{Dialect: "sqlite", DSN: filepath.Join(file, "a")}, "not a directory"},
		"file is a folder":      {Config{Dialect: "sqlite", DSN: dir}, "name a file in it"},
		"MySQL DSN":             {Config{Dialect: "mysql", DSN: "hunter2"}, "MySQL DSN"},
		"Litestream with MySQL": {Config{Dialect: "mysql", DSN: "u:p@tcp(db:3306)/dockit", LitestreamSocket: "/s"}, "Litestream"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(t.Context(), tc.config)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	// Whether the server is there is for the start to find out.
	require.NoError(t, Check(t.Context(), Config{Dialect: "mysql", DSN: "u:p@tcp(127.0.0.1:1)/dockit"}))
}
