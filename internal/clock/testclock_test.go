//go:build dockit_testclock

package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestClockOfATest(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clock")
	t.Setenv(file, name)
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		if ahead != 0 {
			if err := os.WriteFile(name, []byte(ahead.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * every)
		if off := (time.Until(Now()) - ahead).Abs(); off > time.Minute {
			t.Errorf("%s off %s", off, ahead)
		}
	}
}
