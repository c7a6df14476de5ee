// Package atomicfile puts files in place in one step: a reader finds all of the
// old content or all of the new, after a crash as well.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExists is returned when a file would be replaced without being told to.
var ErrExists = errors.New("file exists")

// File is a file that is written beside the place that it is meant for.
type File struct {
	*os.File
	path string
}

// Create makes an empty file for what is to stand at path, in the same folder,
// with a name that [RemoveLeftovers] knows. Its owner alone can read it. It must
// be committed or discarded.
func Create(path string) (*File, error) {
	file, err := os.CreateTemp(filepath.Dir(path), pattern(path)) // with mode 0600
	if err != nil {
		return nil, err
	}
	return &File{file, path}, nil
}

// Commit closes the file and moves it to its place, both lastingly. Without
// replace it fails with [ErrExists] when a file is there already, even if that
// has only just appeared. After an error, the file is still to be discarded.
func (f *File) Commit(replace bool) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := f.move(replace); err != nil {
		return err
	}
	SyncFolder(filepath.Dir(f.path))
	return nil
}

// move moves the closed file to its place.
func (f *File) move(replace bool) error {
	if !replace {
		err := os.Link(f.Name(), f.path)
		switch {
		case err == nil:
			return os.Remove(f.Name())
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%w: %s", ErrExists, f.path)
		}
		// Not every file system knows links.
		if _, err := os.Lstat(f.path); err == nil {
			return fmt.Errorf("%w: %s", ErrExists, f.path)
		}
	}
	return os.Rename(f.Name(), f.path)
}

// Discard closes the file and removes it, unless it was committed.
func (f *File) Discard() error {
	if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Remove(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncFolder makes the names in a folder last. Not every file system can sync a
// folder; the content of the files is safe.
func SyncFolder(folder string) {
	if dir, err := os.Open(folder); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
}
