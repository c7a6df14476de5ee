package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// errNotRegular is returned for a path that leads to something else than a
// regular file. To read a FIFO or a device can take for ever, and what is
// written in one step would take its place.
var errNotRegular = errors.New("not a regular file: name one")

// maxRegularFile is the largest file that is read, in bytes.
const maxRegularFile = 16 << 20

// checkRegular reports why a path cannot be read or replaced as a file. Nothing
// need be there.
func checkRegular(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w", path, errNotRegular)
	}
	return nil
}

// ReadRegular reads a file, and never waits for one that is none.
func ReadRegular(path string) ([]byte, error) {
	if err := checkRegular(path); err != nil {
		return nil, err
	}
	// It may have become something else meanwhile.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxRegularFile+1))
	if err == nil && len(content) > maxRegularFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxRegularFile>>20)
	}
	return content, err
}
