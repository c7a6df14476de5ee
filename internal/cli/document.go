package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/state"
)

// mostDocument is the largest state document that is read, in bytes: no server
// takes a larger one.
const mostDocument = 1 << 30

// Document is a state document in a file, which is read once to check it and once
// to send it.
type Document struct {
	io.ReadSeeker
	Size  int64
	close func() error
}

// OpenDocument opens a file, or keeps standard input for -.
func OpenDocument(cmd *cobra.Command, path string) (*Document, error) {
	if path == "-" {
		return keep(cmd.InOrStdin())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if !info.Mode().IsRegular() { // a pipe can be read once
		kept, err := keep(file)
		return kept, errors.Join(err, file.Close())
	}
	return &Document{file, info.Size(), file.Close}, nil
}

// keep copies what can be read once: to a temporary file, or into memory where
// none can be made.
func keep(in io.Reader) (*Document, error) {
	in = io.LimitReader(in, mostDocument+1)
	file, err := os.CreateTemp("", "dockit-state-*") // for its owner only
	if err != nil {
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("read the document: %w", err)
		}
		return &Document{bytes.NewReader(content), int64(len(content)), func() error { return nil }}, nil
	}
	removed := os.Remove(file.Name()) == nil // where a file may lose its name at once
	kept := &Document{ReadSeeker: file, close: func() error {
		err := file.Close()
		if !removed {
			err = errors.Join(err, os.Remove(file.Name()))
		}
		return err
	}}
	if kept.Size, err = io.Copy(file, in); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep the document in a temporary file: %w", err), kept.Close())
	}
	return kept, nil
}

// Check reads the document and goes back to its beginning.
func (d *Document) Check() error {
	if _, err := state.ParseUpTo(d, mostDocument); err != nil {
		return err
	}
	_, err := d.Seek(0, io.SeekStart)
	return err
}

// Close forgets the document.
func (d *Document) Close() error { return d.close() }
