package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// readBoth reads a text in small pieces and as a whole.
func readBoth(text string, size int) (pieces, whole *Document, piecesErr, wholeErr error) {
	p := newParser()
	p.pieceSize, p.itemsAtOnce = size, 1+size%5
	read := p.readYAML
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		read = p.readJSON
	}
	if pieces, piecesErr = read(bufio.NewReader(strings.NewReader(text))); piecesErr == nil {
		pieces, piecesErr = p.result(pieces)
	}
	root, err := decode([]byte(text))
	if err != nil {
		return pieces, nil, piecesErr, err
	}
	p = newParser()
	whole, wholeErr = p.result(p.document(root))
	return pieces, whole, piecesErr, wholeErr
}

func agree(t *testing.T, text string, size int) (unusual bool) {
	t.Helper()
	pieces, whole, piecesErr, wholeErr := readBoth(text, size)
	if _, ok := errors.AsType[*unusualError](piecesErr); ok {
		return true
	}
	if piecesErr == nil && wholeErr != nil && json.Valid([]byte(text)) {
		return false // not all of JSON is YAML to a reader of YAML
	}
	require.Equal(t, wholeErr == nil, piecesErr == nil, "in pieces of %d: %v, as a whole: %v: %s", size, piecesErr, wholeErr, text)
	if piecesErr == nil {
		require.Equal(t, whole, pieces, "in pieces of %d:\n%s", size, text)
		return false
	}
	if faults, ok := errors.AsType[*ParseError](piecesErr); ok && !strings.HasPrefix(text, "{") {
		other, ok := errors.AsType[*ParseError](wholeErr)
		require.True(t, ok, "in pieces of %d: %v, as a whole: %v\n%s", size, piecesErr, wholeErr, text)
		require.EqualError(t, faults.Faults[0], other.Faults[0].Error(), "in pieces of %d:\n%s", size, text)
	}
	return false
}

func someDocument(r *rand.Rand) *Document {
	var d Document
	for i := range r.IntN(6) {
		s := Subject{Ref: subject.Ref{Kind: subject.Kinds[r.IntN(3)], Name: string(rune('a'+i)) + "x"}, Disabled: r.IntN(3) == 0}
		for j := range r.IntN(8) {
			s.Permissions = append(s.Permissions, access.Permission{Type: access.Repository, Name: string(rune('a' + j)), Actions: access.Push})
			if s.Ref.Kind == subject.Group {
				s.Members = append(s.Members, subject.Ref{Kind: subject.User, Name: string(rune('a' + j))})
			}
		}
		d.Subjects = append(d.Subjects, s)
	}
	d.Sort()
	return &d
}

// odd is what may stand anywhere in YAML and JSON, and mean something.
var odd = []string{
	"\"", "'", "\n", "\n- ", "\n  - ", "\n    - ", "\n      - ", "#", " # x", "|", ">\n", "[", "]", "{", "}", ",", ": ", "&a ", "*a", "!!str ", "---\n", "\n---\n",
	"...\n", "\t", " ", "  ", "\r", "\r\n", "\u0085", "\u2028", "\ufeff", "\\", "? ", "- ", "%", "@", "members:", "\n    members:\n", "\n    permissions:\n      - repository:q:pull",
	"name: ", "users:\n", "\nrobots:\n", "users: []\n", "users:[]\n", "version: ", "null", "true", "~", "\x00", "\"name\":", "\"permissions\":[",
}

// TestPiecesMeanTheSame spoils documents in every way, and reads them in pieces
// and as a whole.
func TestPiecesMeanTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 64))
	const rounds = 3000
	unusual := 0
	for i := range rounds {
		format := YAML
		if i%4 == 0 {
			format = JSON
		}
		written, err := someDocument(r).Bytes(format)
		require.NoError(t, err)
		text := string(written)
		if r.IntN(3) == 0 { // lists in the column of their key, entries in the first
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\n      - ", "\n    - "), "\n  - ", "\n  -   ")
		}
		assert.False(t, agree(t, string(written), 1+r.IntN(200)), "what is written is unusual:\n%s", written)
		for range r.IntN(4) {
			at := r.IntN(len(text) + 1)
			end := at
			if r.IntN(2) == 0 {
				end = min(len(text), at+r.IntN(8))
			}
			text = text[:at] + odd[r.IntN(len(odd))] + text[end:]
		}
		if agree(t, text, 1+r.IntN(200)) {
			unusual++
		}
	}
	t.Logf("%d of %d are read as a whole", unusual, rounds)
	assert.Less(t, unusual, rounds, "nothing was read in pieces")
}

// FuzzPieces is for go test -fuzz.
func FuzzPieces(f *testing.F) {
	f.Add("version: dockit/v1\nusers:\n  - name: a\n    permissions:\n      - repository:a:pull\n", 10)
	f.Add("{\"version\":\"dockit/v1\",\"groups\":[{\"name\":\"a\",\"members\":[\"user:b\"]}]}", 10)
	f.Fuzz(func(t *testing.T, text string, size int) {
		agree(t, text, max(1, size&0xff))
	})
}

// TestLongListsComeInPieces has lists that are longer than what is read at once,
// before and after the name, and faults with their lines in them.
func TestLongListsComeInPieces(t *testing.T) {
	var list strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&list, "      - repository:a%d/b:pull\n", i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"name first":      {"robots:\n  - name: ci\n    permissions:\n" + list.String(), ""},
		"name last":       {"robots:\n  - disabled: true\n    permissions:\n" + list.String() + "    name: ci\n", ""},
		"no name":         {"robots:\n  - disabled: true\n    permissions:\n" + list.String(), "line 3: robot: the name is missing"},
		"twice":           {"robots:\n  - name: ci\n    permissions:\n" + list.String() + "    permissions: []\n", `line 10005: robot:ci: field "permissions" is given twice`},
		"twice, far away": {"robots:\n  - name: ci\n    permissions:\n      - repository:zz:pull\n" + list.String() + "      - repository:zz:pull\n", "line 10006: robot:ci: permissions: repository:zz:pull and"},
		"a bad one":       {"robots:\n  - name: ci\n    permissions:\n" + list.String() + "      - repository:z:write\n  - name: cd\n", "line 10005: robot:ci: permissions: invalid permission"},
		"a bad entry":     {"robots:\n  - name: ci\n    permissions:\n" + list.String() + "  - name: CD\n", "line 10005: robot:CD: name: invalid name"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.False(t, agree(t, "version: dockit/v1\n"+c.text, 1000))
			d, err := Parse(strings.NewReader("version: dockit/v1\n" + c.text))
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, d.Subjects, 1)
			assert.Len(t, d.Subjects[0].Permissions, 10_000)
		})
	}
}

// TestManyShortValuesAreTooMuch has documents that are short and would take much
// memory.
func TestManyShortValuesAreTooMuch(t *testing.T) {
	d := Document{Subjects: []Subject{{Ref: subject.Ref{Kind: subject.Robot, Name: "a"}}, {Ref: subject.Ref{Kind: subject.Robot, Name: "b"}}}}
	items := Document{Subjects: []Subject{{Ref: subject.Ref{Kind: subject.Robot, Name: "a"}}}}
	for i := range 10 {
		items.Subjects[0].Permissions = append(items.Subjects[0].Permissions, access.Permission{Type: access.Repository, Name: fmt.Sprintf("r%d", i), Actions: access.Pull})
	}
	for _, format := range []Format{YAML, JSON} {
		for name, c := range map[string]struct {
			document Document
			weight   int64
		}{"entries": {d, 2 * entryWeight}, "items": {items, 10 + entryWeight}} {
			text, err := c.document.Bytes(format)
			require.NoError(t, err)
			for room, want := range map[int64]error{c.weight: nil, c.weight - entryWeight: ErrTooLarge} {
				p := newParser()
				p.pieceSize, p.itemsAtOnce, p.room = 1, 1, room
				read := p.readYAML
				if format == JSON {
					read = p.readJSON
				}
				_, err = read(bufio.NewReader(strings.NewReader(string(text) + "# end\n"[:map[Format]int{YAML: 6}[format]])))
				assert.ErrorIs(t, err, want, "%s in %s with room for %d", name, format, room)
			}
		}
	}
}
