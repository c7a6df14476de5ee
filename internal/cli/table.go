package cli

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

const (
	columnGap = "   "
	// cutMark ends a row that goes on beyond the terminal.
	cutMark = " ≈"
)

// table lays rows out in columns under a header. A column of nothing but numbers
// stands to the right.
type table struct {
	rows  [][]string // the first is the header
	words []bool     // columns that hold anything but numbers
}

func newTable(header []any) *table {
	t := &table{words: make([]bool, len(header))}
	t.add(header)
	for i, name := range t.rows[0] {
		t.rows[0][i] = strings.ToUpper(name)
	}
	clear(t.words)
	return t
}

// empty reports whether there is nothing but the header.
func (t *table) empty() bool { return len(t.rows) == 1 }

// add adds a row with a cell for each column. A cell may have several lines, and
// must hold nothing that steers a terminal.
func (t *table) add(row []any) {
	cells := make([]string, len(row))
	for i, cell := range row {
		switch cell.(type) {
		case int, int64:
		default:
			t.words[i] = true
		}
		cells[i] = strings.ReplaceAll(fmt.Sprint(cell), "\t", "    ")
	}
	t.rows = append(t.rows, cells)
}

// render writes the table with lines of so many columns of a terminal at most, as
// many as it takes when that is zero. A header in bold needs a terminal.
func (t *table) render(most int, bold bool) string {
	widths := make([]int, len(t.words))
	for _, row := range t.rows {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], textWidth(line))
			}
		}
	}
	var b strings.Builder
	for at, row := range t.rows {
		for _, line := range t.lines(row, widths) {
			line = cutTo(strings.TrimRightFunc(line, unicode.IsSpace), most)
			if bold && at == 0 {
				line = "\x1b[1m" + line + "\x1b[0m"
			}
			b.WriteString(line + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lines are those of one row: as many as its highest cell has.
func (t *table) lines(row []string, widths []int) []string {
	var lines []string
	for i, cell := range row {
		indent := 0
		for _, before := range widths[:i] {
			indent += before + len(columnGap)
		}
		for at, part := range strings.Split(cell, "\n") {
			if at == len(lines) {
				lines = append(lines, "")
			}
			if t.words[i] {
				part = strings.TrimRight(part, " ")
			} else {
				part = padding(widths[i]-textWidth(part)) + part
			}
			lines[at] += padding(indent-textWidth(lines[at])) + part
		}
	}
	return lines
}

func padding(columns int) string { return strings.Repeat(" ", max(columns, 0)) }

// cutTo cuts a line that takes more columns than there are; zero is any number.
func cutTo(line string, most int) string {
	if most <= 0 || textWidth(line) <= most {
		return line
	}
	left := most - textWidth(cutMark)
	if left <= 0 {
		return ""
	}
	for at, r := range line {
		if left -= runeWidth(r); left < 0 {
			return line[:at] + cutMark
		}
	}
	return line
}

// textWidth is how many columns of a terminal a text on one line takes.
func textWidth(s string) int {
	total := 0
	for _, r := range s {
		total += runeWidth(r)
	}
	return total
}

// runeWidth is two for what East Asian scripts write, and for pictures; none for
// what is put on the character before.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}
