package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTable guards how tables look, which people and their scripts know.
func TestTable(t *testing.T) {
	for name, tc := range map[string]struct {
		width  int
		bold   bool
		header []any
		rows   [][]any
		want   []string
	}{
		"words": {
			header: []any{"name", "made by"}, rows: [][]any{{"alice", "user:root"}, {"b", ""}},
			want: []string{"NAME    MADE BY", "alice   user:root", "b"},
		},
		"numbers": {
			header: []any{"count", "x", "rows"}, rows: [][]any{{1, "a", int64(100000)}, {20, "b", int64(2)}},
			want: []string{"COUNT   X     ROWS", "    1   a   100000", "   20   b        2"},
		},
		"a word among numbers": {
			header: []any{"count", "x"}, rows: [][]any{{1, "a"}, {"-", "b"}},
			want: []string{"COUNT   X", "1       a", "-       b"},
		},
		"several lines": {
			header: []any{"at", "change", "by"}, rows: [][]any{{1, "one\nand another", "root"}, {2, "a", "b\n\nc"}},
			want: []string{"AT   CHANGE        BY", " 1   one           root", "     and another", " 2   a             b", "", "                   c"},
		},
		"tabs and spaces": {
			header: []any{"a", "b"}, rows: [][]any{{"x\ty ", "  z  "}},
			want: []string{"A         B", "x    y      z"},
		},
		"wide and combined": {
			header: []any{"name", "é"}, rows: [][]any{{"東京", "x"}, {"🐳", "y"}, {"e\u0301", "z"}},
			want: []string{"NAME   É", "東京   x", "🐳     y", "e\u0301      z"},
		},
		"fits": {
			width: 10, header: []any{"a", "b"}, rows: [][]any{{"x", "123456"}},
			want: []string{"A   B", "x   123456"},
		},
		"cut": {
			width: 9, header: []any{"a", "b"}, rows: [][]any{{"x", "123456"}, {"東京東京", "1"}},
			want: []string{"A       ≈", "x       ≈", "東京東 ≈"},
		},
		"no room": {
			width: 2, header: []any{"a"}, rows: [][]any{{"xyz"}},
			want: []string{"A", ""},
		},
		"bold": {
			bold: true, header: []any{"a"}, rows: [][]any{{"x"}},
			want: []string{"\x1b[1mA\x1b[0m", "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := newTable(tc.header)
			assert.True(t, made.empty())
			for _, row := range tc.rows {
				made.add(row)
			}
			assert.False(t, made.empty())
			got := made.render(tc.width, tc.bold)
			assert.Equal(t, tc.want, strings.Split(got, "\n"))
			for line := range strings.Lines(got) {
				if tc.width > 0 {
					assert.LessOrEqual(t, textWidth(strings.TrimSuffix(line, "\n")), tc.width)
				}
			}
		})
	}
}
