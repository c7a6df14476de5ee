package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxPieceSize is how much YAML is read at once when it cannot be cut, in bytes.
const maxPieceSize = 1 << 20

// pieces reads a document in YAML that has its entries on lines of their own. It
// only looks for places to cut: between the entries of a list of the document,
// and between the items of a list of an entry, where these begin in the column
// that the first of them began in. What stands between two cuts is YAML of its
// own. A cut that does not fit, such as one within a quoted text, leaves no YAML
// before it, so that it cannot give another meaning to anything.
type pieces struct {
	*parser
	in *bufio.Reader
	d  *Document

	line      int // of the line that is read, from 1
	first     int // line with the first content
	versioned bool
	seen      map[string]bool
	section   string // "" before the first
	entries   bool   // the section has some
	dash      int    // column of its entries, or -1

	piece     []byte
	pieceLine int // line of its first one, less 1
	// Of the entry that is read: where it begins in the piece, and its line.
	entryAt, entryLine int
	open               *entry // when its beginning was read already
	keys               int    // column of its fields, or -1
	list               string // the field that the lines are a list of, or ""
	listKey            []byte // its line
	item               int    // column of the items, or -1
}

func (p *parser) readYAML(in *bufio.Reader) (*Document, error) {
	r := &pieces{parser: p, in: in, d: new(Document), seen: map[string]bool{}, dash: -1}
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return r.d, r.end()
		}
		if err == nil {
			err = r.take(line)
		}
		if err == nil {
			err = r.full()
		}
		if err != nil {
			return nil, err
		}
		if r.more { // who mends those will see the others
			return r.d, nil
		}
	}
}

func (r *pieces) unusual(format string, args ...any) error {
	return &unusualError{r.line, fmt.Sprintf(format, args...)}
}

// next reads a line, with what ends it if anything does. It is good until the
// next one.
func (r *pieces) next() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxPieceSize {
			line, err = r.in.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if len(line) == 0 || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	r.line++
	return line, nil
}

// Other ends of lines that YAML knows.
var otherBreaks = [][]byte{[]byte("\u0085"), []byte("\u2028"), []byte("\u2029"), []byte("\ufeff")}

func (r *pieces) take(line []byte) error {
	if len(line) > maxPieceSize {
		return r.unusual("it has more than %s", Size(maxPieceSize))
	}
	if i := bytes.IndexByte(line, '\r'); i >= 0 && !bytes.Equal(line[i:], []byte("\r\n")) {
		return r.unusual("a carriage return stands in it")
	}
	for _, other := range otherBreaks {
		if bytes.Contains(line, other) {
			return r.unusual("a character stands in it that may end a line")
		}
	}
	text := bytes.TrimLeft(line, " ")
	column := len(line) - len(text)
	text = bytes.TrimRight(text, "\r\n")
	switch {
	case len(text) == 0 || text[0] == '#':
		return r.add(line)
	case text[0] == '\t':
		return r.unusual("a tab stands before its text")
	}
	if r.first == 0 && column == 0 && startLine.Match(text) {
		return nil
	}
	if r.first == 0 {
		r.first = r.line
	}
	isItem := text[0] == '-' && (len(text) == 1 || text[1] == ' ')
	switch {
	case column == 0 && !isItem:
		return r.top(line)
	case r.section == "" || !r.entries && !isItem:
		return r.unusual("no entry begins before")
	case !r.entries:
		r.entries, r.dash = true, column
		fallthrough
	case isItem && column == r.dash:
		return r.begin(line, text)
	case column <= r.dash || column < r.keys:
		return r.unusual("it begins before the fields of the entry")
	}
	return r.inside(line, text, column, isItem)
}

var (
	startLine   = regexp.MustCompile(`^---[ \t]*$`)
	sectionLine = regexp.MustCompile(`^(users|robots|groups|issuers|bindings):(?:[ \t]+(\[[ \t]*\]))?[ \t]*([ \t]#.*)?\r?\n?$`)
	listLine    = regexp.MustCompile(`^(members|permissions):[ \t]*([ \t]#.*)?$`)
)

// top takes a line of the document itself.
func (r *pieces) top(line []byte) error {
	if err := r.endSection(); err != nil {
		return err
	}
	if match := sectionLine.FindSubmatch(line); match != nil {
		name := string(match[1])
		if r.seen[name] {
			return r.unusual("%s is given twice", name)
		}
		r.seen[name] = true
		if len(match[2]) == 0 {
			r.section, r.entries, r.dash = name, false, -1
		}
		return nil
	}
	if !bytes.HasPrefix(line, []byte(fieldVersion+":")) || r.versioned {
		return r.unusual("it begins neither version nor users, robots, groups, issuers or bindings, or one of them again")
	}
	root, err := r.yaml(line, r.line-1)
	if err != nil || root.Kind != yaml.MappingNode || len(root.Content) != 2 || root.Content[0].Value != fieldVersion {
		return r.unusual("the version does not stand in it")
	}
	r.versioned, r.before = true, r.line-1
	r.version(root.Content[1])
	return nil
}

// begin takes the first line of an entry.
func (r *pieces) begin(line, text []byte) error {
	if r.open != nil || len(r.piece) >= r.pieceSize {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if len(r.piece) == 0 {
		r.pieceLine = r.line - 1
	}
	r.entryAt, r.entryLine = len(r.piece), r.line
	r.list, r.keys = "", -1
	if field := bytes.TrimLeft(text[1:], " "); len(field) > 0 && bytes.Contains(field, []byte(":")) {
		r.keys = r.dash + len(text) - len(field)
	}
	return r.add(line)
}

// inside takes another line of an entry.
func (r *pieces) inside(line, text []byte, column int, isItem bool) error {
	switch {
	case r.list != "" && r.item < 0 && isItem && column >= r.keys:
		r.item = column
	case r.list != "" && isItem && column == r.item:
		if len(r.piece)-r.entryAt >= r.pieceSize {
			if err := r.cut(); err != nil {
				return err
			}
		}
	case r.list != "" && column > r.item && r.item >= 0: // more of an item
	default:
		r.list = ""
		if match := listLine.FindSubmatch(text); match != nil && column == r.keys && sections[r.section] != "" {
			r.list, r.item = string(match[1]), -1
			r.listKey = append(r.listKey[:0], line...)
		}
	}
	return r.add(line)
}

func (r *pieces) add(line []byte) error {
	if len(r.piece) == 0 && !r.entries {
		return nil // a comment
	}
	if r.piece = append(r.piece, line...); len(r.piece)-r.entryAt > maxPieceSize {
		return r.unusual("the entry cannot be read in parts: write each item of its lists on a line of its own")
	}
	return nil
}

// cut reads what there is of the entry, and begins another piece for the rest of
// its list.
func (r *pieces) cut() error {
	if r.open == nil {
		rest, line := bytes.Clone(r.piece[r.entryAt:]), r.entryLine
		r.piece = r.piece[:r.entryAt]
		if err := r.flush(); err != nil {
			return err
		}
		root, err := r.yaml(rest, line-1)
		if err != nil {
			return err
		}
		if root.Kind != yaml.SequenceNode || len(root.Content) != 1 {
			return r.unusual("the entry cannot be cut")
		}
		r.before = line - 1
		r.open = r.parser.begin(sections[r.section], line)
		r.open.read(root.Content[0])
	} else if err := r.flushOpen(); err != nil {
		return err
	}
	r.open.resume(r.list)
	r.piece = append(r.piece[:0], r.listKey...)
	r.pieceLine, r.entryAt = r.line-2, 0
	return nil
}

// flushOpen reads more of the entry whose beginning was read.
func (r *pieces) flushOpen() error {
	root, err := r.yaml(r.piece, r.pieceLine)
	if err != nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return r.unusual("the entry cannot be cut")
	}
	r.before = r.pieceLine
	r.open.read(root)
	return nil
}

// flush reads the entries of the piece, or the end of the one that was cut.
func (r *pieces) flush() error {
	if len(r.piece) == 0 {
		return nil
	}
	defer func() { r.piece, r.open, r.entryAt = r.piece[:0], nil, 0 }()
	if r.open != nil {
		if err := r.flushOpen(); err != nil {
			return err
		}
		r.keep(r.open.end())
		return nil
	}
	root, err := r.yaml(r.piece, r.pieceLine)
	if err != nil {
		return err
	}
	r.before = r.pieceLine
	r.parser.list(root, r.section, func(n *yaml.Node) { r.addEntry(r.d, r.section, n) })
	return nil
}

func (r *pieces) keep(s Subject, ok bool) {
	if ok {
		r.d.Subjects = append(r.d.Subjects, s)
	}
}

func (r *pieces) endSection() error {
	if r.section != "" && !r.entries {
		return r.unusual("%s has no entries", r.section)
	}
	err := r.flush()
	r.section, r.entries = "", false
	return err
}

func (r *pieces) end() error {
	if err := errors.Join(r.endSection(), r.full()); err != nil {
		return err
	}
	switch {
	case r.first == 0:
		return fmt.Errorf("%w: it is empty: write at least version: %s", ErrInvalid, Version)
	case !r.versioned:
		r.unversioned(r.first)
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yaml reads one piece, which so many lines of the document stand before.
func (r *pieces) yaml(text []byte, before int) (*yaml.Node, error) {
	root, err := decodeOne(text)
	if err != nil {
		line := r.line
		message := yamlLine.ReplaceAllStringFunc(err.Error(), func(found string) string {
			n, _ := strconv.Atoi(strings.TrimPrefix(found, "line "))
			line = n + before
			return "line " + strconv.Itoa(line)
		})
		return nil, &unusualError{line, message}
	}
	return root, nil
}
