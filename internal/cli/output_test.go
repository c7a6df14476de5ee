package cli

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type thing struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

var things = Listing[thing]{
	Header: []any{"name", "count"},
	Row:    func(t thing) []any { return []any{t.Name, t.Count} },
	Name:   func(t thing) string { return t.Name },
	Empty:  "no things",
}

func TestPrintList(t *testing.T) {
	some := []thing{{"a<b", 1}, {"c", 20}}
	for _, c := range []struct {
		format   Format
		items    []thing
		quiet    bool
		expected string
	}{
		{FormatTable, some, false, "NAME   COUNT\na<b        1\nc         20\n"},
		{FormatTable, nil, false, "no things\n"},
		{FormatTable, nil, true, ""},
		{FormatJSON, some, false, "[\n  {\n    \"name\": \"a<b\",\n    \"count\": 1\n  },\n  {\n    \"name\": \"c\",\n    \"count\": 20\n  }\n]\n"},
		{FormatJSON, nil, false, "[]\n"},
		{FormatYAML, some, false, "- count: 1\n  name: a<b\n- count: 20\n  name: c\n"},
		{FormatYAML, nil, false, "[]\n"},
		{FormatName, some, true, "a<b\nc\n"},
		{FormatName, nil, false, ""},
	} {
		var out bytes.Buffer
		p := &Printer{Out: &out, Format: c.format, Quiet: c.quiet}
		require.NoError(t, PrintList(p, ValuesOf(c.items), things))
		assert.Equal(t, c.expected, out.String(), "%s of %d", c.format, len(c.items))
	}
}

func TestPrintListFails(t *testing.T) {
	broken := errors.New("connection lost")
	var items iter.Seq2[thing, error] = func(yield func(thing, error) bool) {
		_ = yield(thing{"a", 1}, nil) && yield(thing{}, broken)
	}
	for _, format := range []Format{FormatTable, FormatJSON, FormatYAML, FormatName} {
		p := &Printer{Out: &bytes.Buffer{}, Format: format}
		assert.ErrorIs(t, PrintList(p, items, things), broken, format)
	}
}

func TestTerminalsGetWholeLines(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Format: FormatTable, width: 20}
	require.NoError(t, PrintList(p, ValuesOf([]thing{{strings.Repeat("long", 20), 1}}), things))
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 20)
	}
}
