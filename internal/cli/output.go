package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Format is how results are written.
type Format string

// The formats. Table is for people, and the default.
const (
	FormatTable Format = "table"
	FormatJSON  Format = "json"
	FormatYAML  Format = "yaml"
	FormatName  Format = "name"
)

// OutputFlags say how to write results.
type OutputFlags struct {
	format string
	quiet  bool
}

func (o *OutputFlags) Register(flags *pflag.FlagSet) {
	flags.StringVarP(&o.format, "output", "o", string(FormatTable), "how to write the result: table, json, yaml or name")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "write results only, no messages")
}

// Printer writes results to standard output, for people and for programs.
type Printer struct {
	Out    io.Writer
	Format Format
	Quiet  bool
	// width is that of the terminal, zero for anything else.
	width  int
	colour bool
	// progress is where a terminal shows it, nil without one.
	progress io.Writer
}

// Printer makes a printer. A command may know more formats than every other.
func (o *OutputFlags) Printer(cmd *cobra.Command, more ...Format) (*Printer, error) {
	p := &Printer{Out: cmd.OutOrStdout(), Format: Format(o.format), Quiet: o.quiet}
	switch p.Format {
	case FormatTable, FormatJSON, FormatYAML, FormatName:
	default:
		if !slices.Contains(more, p.Format) {
			known := []string{string(FormatTable), string(FormatJSON), string(FormatYAML)}
			for _, f := range more {
				known = append(known, string(f))
			}
			return nil, Usagef("output %q: use %s or name", printable.Clip(o.format), strings.Join(known, ", "))
		}
	}
	if isTerminal(cmd.ErrOrStderr()) && os.Getenv("TERM") != "dumb" {
		p.progress = cmd.ErrOrStderr()
	}
	if file, ok := p.Out.(*os.File); ok && isTerminal(file) {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			p.width = width
		}
		p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p, nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Line writes one line of a result for people.
func (p *Printer) Line(s string) { p.Raw(printable.Text(s)) }

// Raw is line for what holds nothing of others, or nothing that steers a
// terminal any more.
func (p *Printer) Raw(s string) { fmt.Fprintln(p.Out, s) }

// One writes a single result: as a document, by its name, or for people.
func (p *Printer) One(document any, name string, people func()) error {
	switch p.Format {
	case FormatJSON:
		encoded, err := EncodeJSON(document, "")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s\n", encoded)
		return err
	case FormatYAML:
		encoded, err := printableYAML(document)
		if err != nil {
			return err
		}
		_, err = p.Out.Write(encoded)
		return err
	case FormatName:
		p.Line(name)
		return nil
	default:
		people()
		return nil
	}
}

// Append writes one of several results that come one after the other, each to
// be used at once: a line, or a document of its own.
func (p *Printer) Append(document any, name, line string) error {
	switch p.Format {
	case FormatJSON:
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		_, err := p.Out.Write(printable.JSON(b.Bytes()))
		return err
	case FormatYAML:
		if _, err := fmt.Fprintln(p.Out, "---"); err != nil {
			return err
		}
		return p.One(document, name, nil)
	case FormatName:
		line = name
	default:
	}
	_, err := fmt.Fprintln(p.Out, printable.Text(line))
	return err
}

// Done reports that something was changed, with the result for programs.
func (p *Printer) Done(document any, name, message string) error {
	return p.One(document, name, func() {
		if !p.Quiet {
			p.Line(message)
		}
	})
}

// Listing says how items are written.
type Listing[T any] struct {
	Header []any
	Row    func(T) []any
	Name   func(T) string
	// Empty is the message for people when there is nothing.
	Empty string
}

// PrintList writes items as they come, except for tables, whose columns need
// to know all of them.
func PrintList[T any](p *Printer, items iter.Seq2[T, error], l Listing[T]) error {
	if p.Format == FormatTable {
		return printTable(p, items, l)
	}
	m := p.Meter("reading", 0, true)
	defer m.Finish()
	items = Counted(m, items)
	switch p.Format {
	case FormatJSON:
		return printJSONList(p.Out, items)
	case FormatYAML:
		return printYAMLList(p.Out, items)
	default:
		for item, err := range items {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(p.Out, printable.Text(l.Name(item))); err != nil {
				return err
			}
		}
		return nil
	}
}

func printTable[T any](p *Printer, items iter.Seq2[T, error], l Listing[T]) error {
	rows, err := readRows(p, items, l)
	if err != nil {
		return err
	}
	if rows.empty() {
		if !p.Quiet && l.Empty != "" {
			p.Line(l.Empty)
		}
		return nil
	}
	p.Raw(rows.render(p.width, p.colour))
	return nil
}

func readRows[T any](p *Printer, items iter.Seq2[T, error], l Listing[T]) (*table, error) {
	m := p.Meter("reading", 0, false)
	defer m.Finish()
	rows := newTable(l.Header)
	for item, err := range Counted(m, items) {
		if err != nil {
			return nil, err
		}
		rows.add(printableCells(l.Row(item)))
	}
	return rows, nil
}

// printableCells keeps the text of cells from steering the
// terminal.
func printableCells(row []any) []any {
	for i, cell := range row {
		switch cell := cell.(type) {
		case string:
			row[i] = printable.Text(cell)
		case fmt.Stringer:
			row[i] = printable.Text(cell.String())
		}
	}
	return row
}

func printJSONList[T any](out io.Writer, items iter.Seq2[T, error]) error {
	separator := "[\n  "
	for item, err := range items {
		if err != nil {
			return err
		}
		encoded, err := EncodeJSON(item, "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s%s", separator, encoded); err != nil {
			return err
		}
		separator = ",\n  "
	}
	end := "\n]"
	if separator == "[\n  " {
		end = "[]"
	}
	_, err := fmt.Fprintln(out, end)
	return err
}

func printYAMLList[T any](out io.Writer, items iter.Seq2[T, error]) error {
	none := true
	for item, err := range items {
		if err != nil {
			return err
		}
		none = false
		encoded, err := printableYAML([]T{item})
		if err != nil {
			return err
		}
		if _, err := out.Write(encoded); err != nil {
			return err
		}
	}
	if none {
		_, err := fmt.Fprintln(out, "[]")
		return err
	}
	return nil
}

// EncodeJSON indents, and leaves <, > and & as they are.
func EncodeJSON(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return printable.JSON(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// ValuesOf makes a listing of what was read already.
func ValuesOf[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Coloured shows what comes in green and what goes in red, where colours are
// wanted.
func (p *Printer) Coloured(mark rune, line string) string {
	const green, red, plain = "\x1b[32m", "\x1b[31m", "\x1b[0m"
	switch {
	case !p.colour:
		return line
	case mark == '+':
		return green + line + plain
	case mark == '-':
		return red + line + plain
	default:
		return line
	}
}
