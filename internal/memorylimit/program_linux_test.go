package memorylimit

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForgetProgram guards that the pages of the program are no more counted as this process's, and that it goes on.
func TestForgetProgram(t *testing.T) {
	before := residentFile(t)
	forgotten, err := forgetProgram()
	require.NoError(t, err)
	assert.Positive(t, forgotten)
	assert.Less(t, residentFile(t), before, "resident, of files, in kB")
}

func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(status), "RssFile:")
	require.True(t, found, "%s", status)
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kilobytes
}

// TestUnchanged guards that nothing is forgotten that is not in the file of the program.
func TestUnchanged(t *testing.T) {
	const smaps = `00400000-01c4d000 r-xp 00000000 fe:00 42                         /usr/bin/dockit
Size:              24884 kB
Rss:               21172 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
VmFlags: rd ex mr mw me sd
01c4d000-036c4000 r--p 0184d000 fe:00 42                         /usr/bin/dockit
Anonymous:             8 kB
036c4000-03812000 r--p 032c4000 fe:00 42                         /usr/bin/dockit
Anonymous:             0 kB
03812000-03912000 rw-p 032c4000 fe:00 42                         /usr/bin/dockit
Anonymous:             0 kB
04000000-05000000 r--s 00000000 fe:00 43                         /data/dockit.sqlite-shm
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 00:00 0                  [vdso]
Anonymous:             0 kB
`
	all, err := unchanged(strings.NewReader(smaps), "/usr/bin/dockit")
	require.NoError(t, err)
	assert.Equal(t, []mapping{{0x400000, 0x1c4d000}, {0x36c4000, 0x3812000}}, all)
}
