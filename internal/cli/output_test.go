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

var things = listing[thing]{
	header: []any{"name", "count"},
	row:    func(t thing) []any { return []any{t.Name, t.Count} },
	name:   func(t thing) string { return t.Name },
	empty:  "no things",
}

func TestPrintList(t *testing.T) {
	some := []thing{{"a<b", 1}, {"c", 20}}
	for _, c := range []struct {
		format   format
		items    []thing
		quiet    bool
		expected string
	}{
		{formatTable, some, false, "NAME   COUNT\na<b        1\nc         20\n"},
		{formatTable, nil, false, "no things\n"},
		{formatTable, nil, true, ""},
		{formatJSON, some, false, "[\n  {\n    \"name\": \"a<b\",\n    \"count\": 1\n  },\n  {\n    \"name\": \"c\",\n    \"count\": 20\n  }\n]\n"},
		{formatJSON, nil, false, "[]\n"},
		{formatYAML, some, false, "- count: 1\n  name: a<b\n- count: 20\n  name: c\n"},
		{formatYAML, nil, false, "[]\n"},
		{formatName, some, true, "a<b\nc\n"},
		{formatName, nil, false, ""},
	} {
		var out bytes.Buffer
		p := &printer{out: &out, format: c.format, quiet: c.quiet}
		require.NoError(t, printList(p, valuesOf(c.items), things))
		assert.Equal(t, c.expected, out.String(), "%s of %d", c.format, len(c.items))
	}
}

func TestPrintListFails(t *testing.T) {
	broken := errors.New("connection lost")
	var items iter.Seq2[thing, error] = func(yield func(thing, error) bool) {
		_ = yield(thing{"a", 1}, nil) && yield(thing{}, broken)
	}
	for _, format := range []format{formatTable, formatJSON, formatYAML, formatName} {
		p := &printer{out: &bytes.Buffer{}, format: format}
		assert.ErrorIs(t, printList(p, items, things), broken, format)
	}
}

func TestTerminalsGetWholeLines(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out, format: formatTable, width: 20}
	require.NoError(t, printList(p, valuesOf([]thing{{strings.Repeat("long", 20), 1}}), things))
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 20)
	}
}
