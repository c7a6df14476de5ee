package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return false, fmt.Errorf("%s is a folder: name a file in it", path)
		}
		present, err := os.ReadFile(path)
		if err == nil && bytes.Equal(present, content) && info.Mode().Perm() == a.mode {
			return false, a.owner.take(path)
		}
	}
	folder, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	removeLeftovers(filepath.Join(folder, prefix+"*"))
	file, err := os.CreateTemp(folder, prefix+"*")
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

// removeLeftovers removes what processes that were killed have left behind.
// Nothing depends on it, so that it does not fail.
func removeLeftovers(pattern string) {
	found, _ := filepath.Glob(pattern) // a name that is no pattern leaves them
	for _, path := range found {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftover {
			_ = os.Remove(path)
		}
	}
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
