//go:build !dockit_testclock

package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReleaseBelievesTheMachine: what moves the clock of a test build does nothing.
func TestReleaseBelievesTheMachine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clock")
	require.NoError(t, os.WriteFile(name, []byte("1h"), 0o600))
	t.Setenv("DOCKIT_TEST_CLOCK", name)
	off := time.Until(Now()).Abs()
	assert.LessOrEqual(t, off, time.Minute, "the clock is %s off", off)
}
