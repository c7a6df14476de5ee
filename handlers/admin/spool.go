package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much a spool keeps in memory, in bytes.
const spoolMemory = 8 << 20

// spool keeps a document until it is whole: in memory as long as it is short,
// in a temporary file when it becomes longer. Close takes the file away.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	// size is how much was written, in bytes.
	size int64
	// fileless is set where no file can be made: then memory has to do.
	fileless bool
	// removed is set when the file has no name any more.
	removed bool
}

func newSpool() *spool { return new(spool) }

// Write implements [io.Writer].
func (s *spool) Write(p []byte) (n int, err error) {
	defer func() { s.size += int64(n) }()
	if s.file == nil && !s.fileless && s.memory.Len()+len(p) > spoolMemory {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		return s.memory.Write(p)
	}
	n, err = s.file.Write(p)
	return n, spoolError(err)
}

func (s *spool) toFile() error {
	file, err := os.CreateTemp("", "dockit-state-*") // for its owner only
	if err != nil {
		s.fileless = true // a read-only container may have no place for files
		return nil        //nolint:nilerr // see above
	}
	s.file = file
	// Where a file may lose its name at once, none is left by a crash.
	s.removed = os.Remove(file.Name()) == nil
	_, err = s.memory.WriteTo(file)
	s.memory = bytes.Buffer{}
	return spoolError(err)
}

func spoolError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keep the document in a temporary file: %w: make room, or name another folder in TMPDIR", err)
}

// reader reads all that was written before.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, spoolError(err)
	}
	return s.file, nil
}

// WriteTo implements [io.WriterTo]: it writes all that was written before.
func (s *spool) WriteTo(w io.Writer) (int64, error) {
	r, err := s.reader()
	if err != nil {
		return 0, err
	}
	return io.Copy(w, r)
}

// Close forgets the document.
func (s *spool) Close() error {
	s.memory = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.removed {
		return err
	}
	return errors.Join(err, os.Remove(s.file.Name()))
}
