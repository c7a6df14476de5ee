//go:build !dockit_testclock

package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestReleaseBelievesTheMachine: what moves the clock of a test build does nothing.
func TestReleaseBelievesTheMachine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clock")
	if err := os.WriteFile(name, []byte("1h"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKIT_TEST_CLOCK", name)
	if off := time.Until(Now()).Abs(); off > time.Minute {
		t.Errorf("the clock is %s off", off)
	}
}
