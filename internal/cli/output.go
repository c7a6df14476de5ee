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

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/dockit-registry/dockit/internal/printable"
)

// format is how results are written.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
	formatName  format = "name"
)

// outputFlags say how to write results.
type outputFlags struct {
	format string
	quiet  bool
}

func (o *outputFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&o.format, "output", "o", string(formatTable), "how to write the result: table, json, yaml or name")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "write results only, no messages")
}

// printer writes results to standard output, for people and for programs.
type printer struct {
	out    io.Writer
	format format
	quiet  bool
	// width is that of the terminal, zero for anything else.
	width  int
	colour bool
	// progress is where a terminal shows it, nil without one.
	progress io.Writer
}

// printer makes a printer. A command may know more formats than every other.
func (o *outputFlags) printer(cmd *cobra.Command, more ...format) (*printer, error) {
	p := &printer{out: cmd.OutOrStdout(), format: format(o.format), quiet: o.quiet}
	switch p.format {
	case formatTable, formatJSON, formatYAML, formatName:
	default:
		if !slices.Contains(more, p.format) {
			known := []string{string(formatTable), string(formatJSON), string(formatYAML)}
			for _, f := range more {
				known = append(known, string(f))
			}
			return nil, usagef("output %q: use %s or name", clip(o.format), strings.Join(known, ", "))
		}
	}
	if isTerminal(cmd.ErrOrStderr()) && os.Getenv("TERM") != "dumb" {
		p.progress = cmd.ErrOrStderr()
	}
	if file, ok := p.out.(*os.File); ok && isTerminal(file) {
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

// line writes one line of a result for people.
func (p *printer) line(s string) { p.raw(printable.Text(s)) }

// raw is line for what holds nothing of others, or nothing that steers a
// terminal any more.
func (p *printer) raw(s string) { fmt.Fprintln(p.out, s) }

// one writes a single result: as a document, by its name, or for people.
func (p *printer) one(document any, name string, people func()) error {
	switch p.format {
	case formatJSON:
		encoded, err := encodeJSON(document, "")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s\n", encoded)
		return err
	case formatYAML:
		encoded, err := printable.YAML(document)
		if err != nil {
			return err
		}
		_, err = p.out.Write(encoded)
		return err
	case formatName:
		p.line(name)
		return nil
	default:
		people()
		return nil
	}
}

// append writes one of several results that come one after the other, each to
// be used at once: a line, or a document of its own.
func (p *printer) append(document any, name, line string) error {
	switch p.format {
	case formatJSON:
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		_, err := p.out.Write(printable.JSON(b.Bytes()))
		return err
	case formatYAML:
		if _, err := fmt.Fprintln(p.out, "---"); err != nil {
			return err
		}
		return p.one(document, name, nil)
	case formatName:
		line = name
	default:
	}
	_, err := fmt.Fprintln(p.out, printable.Text(line))
	return err
}

// done tells that something was changed, with the result for programs.
func (p *printer) done(document any, name, message string) error {
	return p.one(document, name, func() {
		if !p.quiet {
			p.line(message)
		}
	})
}

// listing says how items are written.
type listing[T any] struct {
	header []any
	row    func(T) []any
	name   func(T) string
	// empty is the message for people when there is nothing.
	empty string
}

// printList writes items as they come, except for tables, whose columns need
// to know all of them.
func printList[T any](p *printer, items iter.Seq2[T, error], l listing[T]) error {
	if p.format == formatTable {
		return printTable(p, items, l)
	}
	m := p.meter("reading", 0, true)
	defer m.finish()
	items = counted(m, items)
	switch p.format {
	case formatJSON:
		return printJSONList(p.out, items)
	case formatYAML:
		return printYAMLList(p.out, items)
	default:
		for item, err := range items {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(p.out, printable.Text(l.name(item))); err != nil {
				return err
			}
		}
		return nil
	}
}

func printTable[T any](p *printer, items iter.Seq2[T, error], l listing[T]) error {
	rows, err := readRows(p, items, l)
	if err != nil {
		return err
	}
	if rows.Length() == 0 {
		if !p.quiet && l.empty != "" {
			p.line(l.empty)
		}
		return nil
	}
	p.raw(rows.Render())
	return nil
}

func readRows[T any](p *printer, items iter.Seq2[T, error], l listing[T]) (table.Writer, error) {
	m := p.meter("reading", 0, false)
	defer m.finish()
	rows := p.table(l.header)
	for item, err := range counted(m, items) {
		if err != nil {
			return nil, err
		}
		rows.AppendRow(printableCells(l.row(item)))
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
		encoded, err := encodeJSON(item, "  ")
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
		encoded, err := printable.YAML([]T{item})
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

// encodeJSON indents, and leaves <, > and & as they are.
func encodeJSON(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return printable.JSON(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// table makes an empty table. On a terminal, rows too wide for it are cut
// rather than wrapped.
func (p *printer) table(header []any) table.Writer {
	w := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "   "
	style.Size.WidthMax = p.width
	if p.colour {
		style.Color.Header = text.Colors{text.Bold}
	}
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.AppendHeader(header)
	return w
}
