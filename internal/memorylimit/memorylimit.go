// Package memorylimit keeps a process that serves within the memory that there is.
package memorylimit

import (
	"errors"
	"math"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// maxOutside is how much of a limit is left to what is not Go's: the program
// itself, and what the kernel has for connections and files.
const maxOutside = 48 << 20

// Set has the garbage collector keep the process within the memory of its
// container or, without a limit there, of the machine, and leave little garbage
// while requests do not make it all the time.
// GOMEMLIMIT, AUTOMEMLIMIT and GOGC in the environment are left as they are. It
// is for programs that serve; Caddy's own do something alike.
func Set(logger *zap.Logger) {
	if os.Getenv("GOGC") == "" {
		followGarbage()
	}
	provider := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)
	limit, err := memlimit.Set(memlimit.WithRatio(1), memlimit.WithProvider(func() (uint64, error) {
		all, err := provider()
		return goShare(all), err
	}))
	switch {
	case err != nil && !errors.Is(err, memlimit.ErrNoLimit):
		logger.Warn("the garbage collector knows no limit of memory: set GOMEMLIMIT", zap.Error(err))
	case limit != math.MaxInt64:
		logger.Debug("memory is limited", zap.Int64("gomemlimit", limit))
	}
}

// goShare is how much of a limit of memory is Go's. Beyond it, the garbage
// collector works harder; it cannot refuse.
func goShare(all uint64) uint64 {
	return all - max(all/10, min(maxOutside, all/8*3))
}
