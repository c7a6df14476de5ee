package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// attributes are those of a file that is put in place.
type attributes struct {
	mode  fs.FileMode
	owner *owner // nil: the user who runs this
}

// replaceFile puts content in place in one step: a process that reads the file
// sees all of the old or all of the new, also when this one is killed. It reports
// whether anything changed.
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
	atomicfile.RemoveLeftovers(path)
	file, err := atomicfile.Create(path)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Discard()) }()
	if err := fill(file, content, a); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Commit(true); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
}

func fill(file *atomicfile.File, content []byte, a attributes) error {
	_, err := file.Write(content)
	if err == nil {
		err = a.owner.take(file.Name())
	}
	// The mode does not depend on the umask: the registry often runs as
	// another user.
	return errors.Join(err, file.Chmod(a.mode))
}
