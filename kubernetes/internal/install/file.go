package install

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// put writes a file whole or not at all, unless it is as it should be.
func put(path string, content []byte, mode os.FileMode) (changed bool, err error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() == mode {
		if current, err := os.ReadFile(path); err == nil && bytes.Equal(current, content) {
			return false, nil
		}
	}
	const enterable = 0o755
	if err := os.MkdirAll(filepath.Dir(path), enterable); err != nil {
		return false, err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return false, err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(temporary.Name()))
	}
	return true, nil
}
