package admin

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpool(t *testing.T) {
	line := bytes.Repeat([]byte("x"), 1<<20)
	for name, c := range map[string]struct {
		lines  int
		inFile bool
		folder string
	}{
		"short":             {8, false, ""},
		"long":              {20, true, ""},
		"long, and no file": {20, false, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			t.Setenv("TMPDIR", filepath.Join(folder, c.folder))
			var s exportBuffer
			for range c.lines {
				_, err := s.Write(line)
				require.NoError(t, err)
			}
			assert.Equal(t, c.inFile, s.file != nil)
			var all bytes.Buffer
			n, err := s.WriteTo(&all)
			require.NoError(t, err)
			assert.Equal(t, int64(c.lines)<<20, n)
			assert.Equal(t, bytes.Repeat(line, c.lines), all.Bytes())
			require.NoError(t, s.Close())
			files, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Empty(t, files)
		})
	}
}
