//go:build dockit_testclock

package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClockOfATest(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clock")
	t.Setenv(file, name)
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		if ahead != 0 {
			require.NoError(t, os.WriteFile(name, []byte(ahead.String()), 0o600))
		}
		time.Sleep(2 * every)
		assert.WithinDuration(t, time.Now().Add(ahead), Now(), time.Minute, "ahead by %s", ahead)
	}
}
