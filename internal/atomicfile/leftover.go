package atomicfile

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// suffix distinguishes what is half-written from files that others name after the same
// one, such as .env.production beside env.
const suffix = ".dockit-partial"

// leftover is how old a half-written file is before it counts as one that
// no process writes any more.
const leftover = time.Minute

// pattern is that of the names for what becomes a file.
func pattern(path string) string { return "." + filepath.Base(path) + ".*" + suffix }

// isPartial reports whether a name is one that [os.CreateTemp] makes of pattern:
// with digits, and nothing else, in the place of the star.
func isPartial(name, path string) bool {
	middle, ok := strings.CutPrefix(name, "."+filepath.Base(path)+".")
	if !ok {
		return false
	}
	middle, ok = strings.CutSuffix(middle, suffix)
	return ok && middle != "" && strings.Trim(middle, "0123456789") == ""
}

// RemoveLeftovers removes what processes that were killed have left behind of a
// file. It is for files that are written in well under a minute. Nothing depends
// on it, so that it does not fail.
func RemoveLeftovers(path string) {
	folder := filepath.Dir(path)
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if !isPartial(entry.Name(), path) {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftover {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}
