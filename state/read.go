package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// DefaultMaxSize is the largest document that [Parse] reads, in bytes.
	DefaultMaxSize = 64 << 20
	// wholeSize is how large a document may be that cannot be read entry by
	// entry, in bytes, and wholeItems how many values it can hold, about: each
	// takes some 300 bytes of memory.
	wholeSize, wholeItems = 8 << 20, 1 << 18
)

// ErrTooLarge is returned for a document of more bytes than are allowed, or one
// that cannot be read entry by entry and is too large for being read as a whole.
var ErrTooLarge = fmt.Errorf("%w: too large", ErrInvalid)

// Parse is [ParseUpTo] for a document of at most [DefaultMaxSize] bytes.
func Parse(r io.Reader) (*Document, error) { return ParseUpTo(r, DefaultMaxSize) }

// ParseUpTo reads a document of at most size bytes in YAML or JSON and brings it
// into its canonical order. Whatever breaks a rule of the format is a
// [ParseError]. Errors: [ErrTooLarge], [ErrInvalid], and those of r.
//
// Entries are read one after the other, and long lists in parts, so that it
// takes little more memory than what was read. That needs entries, and items of
// long lists, that begin on lines of their own, as [Writer] writes them, or JSON.
// Any other YAML may be 8 MiB long.
func ParseUpTo(r io.Reader, size int64) (*Document, error) {
	whole := &beginning{source: &capped{r, size, size}}
	in := bufio.NewReaderSize(whole, 64<<10)
	first, err := firstByte(in)
	if err != nil {
		return nil, readError(err)
	}
	p := newParser()
	p.room = max(size, DefaultMaxSize) / bytesAnItem
	read := p.readYAML
	if first == '{' {
		read = p.readJSON
	}
	d, err := read(in)
	if unusual, ok := errors.AsType[*unusualError](err); ok {
		return parseWhole(whole, unusual)
	}
	if err != nil {
		return nil, readError(err)
	}
	return p.result(d)
}

func readError(err error) error {
	if errors.Is(err, ErrInvalid) {
		return err
	}
	return fmt.Errorf("read state document: %w", err)
}

// firstByte is the first byte that is not white space, or zero.
func firstByte(in *bufio.Reader) (byte, error) {
	for n := 1; n <= in.Size(); n++ {
		ahead, err := in.Peek(n)
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case err != nil:
			return 0, err
		case !strings.ContainsRune(" \t\r\n", rune(ahead[n-1])):
			return ahead[n-1], nil
		}
	}
	return 0, nil
}

// unusualError is returned for what cannot be read entry by entry, which may
// still be a document.
type unusualError struct {
	line int
	why  string
}

func (e *unusualError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.why) }

// capped is a reader that fails after so many bytes.
type capped struct {
	r          io.Reader
	left, size int64
}

// Read implements [io.Reader].
func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, fmt.Errorf("%w: it has more than %s", ErrTooLarge, Size(c.size))
	}
	return n, err
}

// Size is a number of bytes, written for people.
type Size int64

// String writes whole MiB and KiB as such.
func (s Size) String() string {
	switch {
	case s > 0 && s%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", s>>20)
	case s > 0 && s%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", s>>10)
	default:
		return fmt.Sprintf("%d bytes", int64(s))
	}
}

// beginning keeps what is read from it, as long as that is at most [wholeSize].
type beginning struct {
	source io.Reader
	kept   bytes.Buffer
	over   bool
}

// Read implements [io.Reader].
func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	switch {
	case b.over:
	case b.kept.Len()+n > wholeSize:
		b.over, b.kept = true, bytes.Buffer{}
	default:
		b.kept.Write(p[:n])
	}
	return n, err
}

// parseWhole reads a document that [unusualError] is about.
func parseWhole(b *beginning, unusual *unusualError) (*Document, error) {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return nil, readError(err)
	}
	data := b.kept.Bytes()
	if b.over || values(data) > wholeItems {
		return nil, fmt.Errorf("%w: a document of more than %s or %d values is read entry by entry, which must begin on lines of their own, as rbac export writes them: %w",
			ErrTooLarge, Size(wholeSize), wholeItems, unusual)
	}
	root, err := decode(data)
	if err != nil {
		return nil, err
	}
	p := newParser()
	return p.result(p.document(root))
}

// values counts what begins another value in YAML, and a little more.
func values(data []byte) int {
	var n int
	for _, mark := range []string{"\n", ",", "[", "{"} {
		n += bytes.Count(data, []byte(mark))
	}
	return n
}

// decode reads the one YAML document that data holds.
func decode(data []byte) (*yaml.Node, error) {
	root, err := decodeOne(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return root, nil
}

func decodeOne(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("it is empty: write at least version: %s", Version)
	case err != nil:
		return nil, withoutPackage(err)
	}
	switch err := decoder.Decode(&next); {
	case errors.Is(err, io.EOF):
		return document.Content[0], nil
	case err != nil:
		return nil, withoutPackage(err)
	default:
		return nil, fmt.Errorf("line %d: a second document begins here: write one", next.Line)
	}
}

func withoutPackage(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "yaml: ")) }
