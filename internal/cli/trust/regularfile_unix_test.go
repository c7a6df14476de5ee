//go:build unix

package trust

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a path leads to, it is not waited for, and nothing but a file is
// replaced.
func TestInitContainerTakesRegularFilesOnly(t *testing.T) {
	folder := t.TempDir()
	fifo, link := filepath.Join(folder, "fifo"), filepath.Join(folder, "link")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Symlink(fifo, link))
	good := filepath.Join(folder, "trust.pem")
	url := trustServer(t, dockitWith(t, string(certificatePEM(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))))
	for name, args := range map[string][]string{
		"a FIFO":                {fifo},
		"a link to one":         {link},
		"a device":              {"/dev/null"},
		"a device without end":  {"/dev/zero", "--keep"},
		"a folder":              {folder},
		"anchors from a FIFO":   {good, "--anchors", fifo},
		"anchors from a device": {good, "--anchors", "/dev/zero"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			code, _, stderr := execute(t, append([]string{"init-container", "--base-url", url, "--timeout", "5s"}, args...)...)
			assert.Equal(t, 1, code)
			assert.Regexp(t, "not a regular file: name one|is a folder", stderr)
			assert.NoFileExists(t, good)
			assert.Less(t, time.Since(start), 30*time.Second)
		})
	}
	info, err := os.Lstat(fifo)
	require.NoError(t, err)
	assert.Equal(t, os.ModeNamedPipe, info.Mode().Type())

	_, err = findProcesses(fifo)
	require.ErrorIs(t, err, errNotRegular)
	require.ErrorIs(t, writeFiles(true, newFile{fifo, nil, 0o600}), errNotRegular)
}
