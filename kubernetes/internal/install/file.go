package install

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/internal/atomicfile"
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
	file, err := atomicfile.Create(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Discard()) }()
	if _, err := file.Write(content); err != nil {
		return false, err
	}
	if err := file.Chmod(mode); err != nil {
		return false, err
	}
	return true, file.Commit(true)
}
