package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile puts content in place in one step: whoever reads the file sees
// all of the old or all of the new. It reports whether anything changed.
func replaceFile(path string, content []byte, mode fs.FileMode) (changed bool, err error) {
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return false, fmt.Errorf("%s is a folder: name a file in it", path)
		}
		present, err := os.ReadFile(path)
		if err == nil && bytes.Equal(present, content) && info.Mode().Perm() == mode {
			return false, nil
		}
	}
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), remove(file.Name()))
		}
	}()
	if err := fill(file, content, mode); err != nil {
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

func fill(file *os.File, content []byte, mode fs.FileMode) error {
	_, err := file.Write(content)
	// The mode does not depend on the umask: the registry often runs as
	// somebody else.
	return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
