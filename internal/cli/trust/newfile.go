package trust

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// newFile is a file to write.
type newFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// writeFiles writes every file, or none. A process that reads one of them finds
// all of the content or what was there before. A file that exists is replaced with
// force only. Errors: [atomicfile.ErrExists].
func writeFiles(force bool, files ...newFile) (err error) {
	var pending []*atomicfile.File
	defer func() {
		for _, file := range pending {
			_ = file.Discard() // unless it was moved into place
		}
	}()
	for _, file := range files {
		if _, err := os.Lstat(file.path); err == nil && !force {
			return fmt.Errorf("%w: %s", atomicfile.ErrExists, file.path)
		}
		if err := checkRegular(file.path); err != nil {
			return fmt.Errorf("write %s: %w", file.path, err)
		}
		next, err := atomicfile.Create(file.path)
		if err != nil {
			return fmt.Errorf("write %s: %w", file.path, err)
		}
		pending = append(pending, next)
		if err := fill(next, file.content, attributes{mode: file.mode}); err != nil {
			return fmt.Errorf("write %s: %w", file.path, err)
		}
		if err := next.Sync(); err != nil { // before the first one is in place
			return fmt.Errorf("write %s: %w", file.path, err)
		}
	}
	for i, file := range pending {
		if err := file.Commit(force); err != nil {
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
