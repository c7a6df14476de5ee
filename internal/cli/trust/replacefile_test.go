package trust

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Of what processes that were killed have left behind, one's own goes. Others
// Name files after the same one.
func TestReplaceFileLeavesOthersAlone(t *testing.T) {
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
	own := put(folder, ".env.1234567"+partialSuffix, hourAgo)
	others := []string{put(alike, ".env.1234567"+partialSuffix, hourAgo), put(folder, ".env.7654321"+partialSuffix, time.Now())}
	for _, name := range []string{
		".env.production", ".env.1234567", ".env.", ".env", ".env.local.1234567" + partialSuffix, ".env" + partialSuffix,
		".env.sqlite.1234567.partial", ".env.backup" + partialSuffix, "env.1234567" + partialSuffix,
	} {
		others = append(others, put(folder, name, hourAgo))
	}
	changed, err := replaceFile(filepath.Join(folder, "env"), []byte("new"), attributes{mode: 0o600})
	require.NoError(t, err)
	assert.True(t, changed)
	assert.NoFileExists(t, own)
	for _, path := range others {
		assert.FileExists(t, path)
	}
}
