package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// attributes are those of a file that is put in place.
type attributes struct {
	mode  fs.FileMode
	owner *owner // nil: whoever runs this
}

// leftover is how old a half-written file is before it counts as one that
// nobody writes any more.
const leftover = time.Minute

// replaceFile puts content in place in one step: whoever reads the file sees
// all of the old or all of the new, and so does a process that is killed. It
// reports whether anything changed.
func replaceFile(path string, content []byte, a attributes) (changed bool, err error) {
	if err := checkRegular(path); err != nil {
		return false, err
	}
	if info, err := os.Stat(path); err == nil {
		present, err := ReadRegular(path)
		if err == nil && bytes.Equal(present, content) && info.Mode().Perm() == a.mode {
			return false, a.owner.take(path)
		}
	}
	folder := filepath.Dir(path)
	removeLeftovers(path)
	file, err := os.CreateTemp(folder, partialName(path))
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), remove(file.Name()))
		}
	}()
	if err := fill(file, content, a); err != nil {
		return false, err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return false, err
	}
	// Not every file system can sync a folder; the content itself is safe.
	if dir, err := os.Open(folder); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return true, nil
}

func fill(file *os.File, content []byte, a attributes) error {
	_, err := file.Write(content)
	if err == nil {
		err = a.owner.take(file.Name())
	}
	// The mode does not depend on the umask: the registry often runs as
	// somebody else.
	return errors.Join(err, file.Chmod(a.mode), file.Sync(), file.Close())
}

// partialSuffix tells what is half-written from files that others name after the
// same one, such as .env.production beside env.
const partialSuffix = ".dockit-partial"

// partialName is the pattern of names for what becomes a file.
func partialName(path string) string { return "." + filepath.Base(path) + ".*" + partialSuffix }

// isPartial reports whether a name is one that [os.CreateTemp] makes of
// partialName: with digits, and nothing else, in the place of the star.
func isPartial(name, path string) bool {
	middle, ok := strings.CutPrefix(name, "."+filepath.Base(path)+".")
	if !ok {
		return false
	}
	middle, ok = strings.CutSuffix(middle, partialSuffix)
	return ok && middle != "" && strings.Trim(middle, "0123456789") == ""
}

// removeLeftovers removes what processes that were killed have left behind of a
// file. Nothing depends on it, so that it does not fail.
func removeLeftovers(path string) {
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

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
