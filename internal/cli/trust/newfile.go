package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errFileExists is returned when a file would have been replaced without being
// told to.
var errFileExists = errors.New("file exists")

// newFile is a file to write.
type newFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// writeFiles writes every file, or none. Whoever reads one of them finds all
// of the content or what was there before.
func writeFiles(force bool, files ...newFile) (err error) {
	var temporary []string
	defer func() {
		for _, path := range temporary {
			_ = os.Remove(path) // gone where it was moved into place
		}
	}()
	for _, file := range files {
		if _, err := os.Lstat(file.path); err == nil && !force {
			return fmt.Errorf("%w: %s", errFileExists, file.path)
		}
		if err := checkRegular(file.path); err != nil {
			return fmt.Errorf("writing %s: %w", file.path, err)
		}
		path, err := writeTemporary(file)
		if err != nil {
			return fmt.Errorf("writing %s: %w", file.path, err)
		}
		temporary = append(temporary, path)
	}
	for i, file := range files {
		if err := place(temporary[i], file.path, force); err != nil {
			if !force {
				for _, placed := range files[:i] {
					_ = os.Remove(placed.path) // it did not exist before
				}
			}
			return err
		}
	}
	return nil
}

// writeTemporary writes the content beside the file.
func writeTemporary(file newFile) (path string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file.path), partialName(file.path))
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(file.content)
	if err == nil {
		err = f.Chmod(file.mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return f.Name(), errors.Join(err, f.Close())
}

// place moves a file to its place. Without force it fails when there is one
// already, even if that has only just appeared.
func place(from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}
	err := os.Link(from, to)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s", errFileExists, to)
	}
	// Not every file system knows links.
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%w: %s", errFileExists, to)
	}
	return os.Rename(from, to)
}
