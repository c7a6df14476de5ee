package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contents are the files of a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	all := make(map[string]string, len(entries))
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		all[entry.Name()] = string(content)
	}
	return all
}

// TestCommit guards that a file appears whole and for its owner alone, that one
// which exists is replaced only when told to, and that nothing stays behind.
func TestCommit(t *testing.T) {
	for name, tc := range map[string]struct {
		before  string
		replace bool
		want    string
		err     error
	}{
		"new":              {want: "new"},
		"new, replacing":   {replace: true, want: "new"},
		"exists":           {before: "old", want: "old", err: ErrExists},
		"exists, replaced": {before: "old", replace: true, want: "new"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "file")
			file, err := Create(path)
			require.NoError(t, err)
			_, err = file.WriteString("new")
			require.NoError(t, err)
			if tc.before != "" { // it has only just appeared
				require.NoError(t, os.WriteFile(path, []byte(tc.before), 0o600))
			}
			require.ErrorIs(t, file.Commit(tc.replace), tc.err)
			require.NoError(t, file.Discard())
			require.NoError(t, file.Discard())
			assert.Equal(t, map[string]string{"file": tc.want}, contents(t, folder))
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		})
	}
}

// TestDiscard guards that what is given up leaves what was there, and nothing
// beside it.
func TestDiscard(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	file, err := Create(path)
	require.NoError(t, err)
	require.NoError(t, file.Discard())
	assert.Equal(t, map[string]string{"file": "old"}, contents(t, folder))
}

// Of what processes that were killed have left behind, one's own goes. Others
// name files after the same one.
func TestRemoveLeftoversLeavesOthersAlone(t *testing.T) {
	root := t.TempDir()
	folder, alike := filepath.Join(root, "trust[1]"), filepath.Join(root, "trust1")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.Mkdir(alike, 0o700))
	hourAgo := time.Now().Add(-time.Hour)
	put := func(folder, name string, at time.Time) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600))
		require.NoError(t, os.Chtimes(path, at, at))
		return path
	}
	own := put(folder, ".env.1234567"+suffix, hourAgo)
	others := []string{put(alike, ".env.1234567"+suffix, hourAgo), put(folder, ".env.7654321"+suffix, time.Now())}
	for _, name := range []string{
		".env.production", ".env.1234567", ".env.", ".env", ".env.local.1234567" + suffix, ".env" + suffix,
		".env.sqlite.1234567.partial", ".env.backup" + suffix, "env.1234567" + suffix,
	} {
		others = append(others, put(folder, name, hourAgo))
	}
	RemoveLeftovers(filepath.Join(folder, "env"))
	assert.NoFileExists(t, own)
	for _, path := range others {
		assert.FileExists(t, path)
	}
}

// TestNamesAreThoseOfLeftovers guards that what is made is found again.
func TestNamesAreThoseOfLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	file, err := Create(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	hourAgo := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(file.Name(), hourAgo, hourAgo))
	RemoveLeftovers(path)
	assert.NoFileExists(t, file.Name())
}
