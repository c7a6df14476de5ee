package memorylimit

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap/zaptest"
)

// TestLimitMemory guards that what serves knows how much memory there is, and
// that who sets a limit is right.
func TestLimitMemory(t *testing.T) {
	before, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(percent)
	})
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("GOGC", "70")
	Set(zaptest.NewLogger(t))
	assert.Equal(t, before, debug.SetMemoryLimit(-1), "GOMEMLIMIT is given")
	assert.Equal(t, 100, debug.SetGCPercent(100), "GOGC is given")
}

func TestGoShare(t *testing.T) {
	for all, want := range map[uint64]uint64{
		64 << 20:   40 << 20,
		128 << 20:  80 << 20,
		256 << 20:  208 << 20,
		1000 << 20: 900 << 20,
	} {
		assert.Equal(t, want, goShare(all), "of %d MiB", all>>20)
	}
	assert.Less(t, goShare(math.MaxInt64), uint64(math.MaxInt64))
}
