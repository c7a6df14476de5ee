package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// report is what is printed and written.
type report struct {
	programs programs
	matrix   *matrix
	said     messages
	sent     requests
}

// notes numbers reasons, the same one once.
type notes struct{ all []string }

func (n *notes) number(reason string) int {
	if i := slices.Index(n.all, reason); i >= 0 {
		return i + 1
	}
	n.all = append(n.all, reason)
	return len(n.all)
}

const introduction = `# Interoperability

Which client does what at which registry behind Dockit. ` + "`make interop`" + ` runs every cell for real, and wrote this page: ✓ works, ✗ does not,
– was not run. The number is that of the reason, [below](#reasons). [protocol.md](protocol.md) has what clients send.

## Versions

`

// write writes the page.
func (r *report) write(out io.Writer) error {
	w := &strings.Builder{}
	w.WriteString(introduction)
	r.writeVersions(w)
	n := &notes{}
	w.WriteString("\n## What works where\n")
	for _, kind := range r.matrix.kinds {
		r.writeKind(w, kind, n)
	}
	if r.said != nil {
		r.writeMessages(w)
	}
	if r.sent != nil {
		r.writeRequests(w)
	}
	w.WriteString("\n## Reasons\n\n")
	for i, reason := range n.all {
		fmt.Fprintf(w, "%d. %s\n", i+1, escape(reason))
	}
	_, err := io.WriteString(out, w.String())
	return err
}

func (r *report) writeVersions(w *strings.Builder) {
	w.WriteString("| program | version |\n|---|---|\n")
	seen := map[string]bool{}
	for _, kind := range r.matrix.kinds {
		name, _, _ := strings.Cut(strings.ReplaceAll(kind.title, ",", " "), " behind")
		name = strings.Fields(name)[0]
		version := kind.version(r.programs)
		if version == "" || seen[name+version] {
			continue
		}
		seen[name+version] = true
		fmt.Fprintf(w, "| %s | %s |\n", name, version)
	}
	for _, c := range r.matrix.clients {
		version := c.version
		if c.absent != "" {
			version = "not run: " + c.absent
		}
		fmt.Fprintf(w, "| %s | %s |\n", c.id, escape(version))
	}
}

// run are the clients that are.
func (r *report) run() (all []*client) {
	for _, c := range r.matrix.clients {
		if c.absent == "" {
			all = append(all, c)
		}
	}
	return all
}

func (r *report) writeKind(w *strings.Builder, kind *siteKind, n *notes) {
	fmt.Fprintf(w, "\n### %s\n\n", kind.title)
	if kind.absent != "" {
		fmt.Fprintf(w, "Not run: %s.\n", escape(strings.TrimSuffix(kind.absent, ".")))
		return
	}
	w.WriteString("| |")
	for _, c := range r.run() {
		w.WriteString(" " + c.id + " |")
	}
	w.WriteString("\n|---|" + strings.Repeat(":---:|", len(r.run())) + "\n")
	for _, o := range r.matrix.operations {
		if o.pushes && kind.cache {
			continue
		}
		fmt.Fprintf(w, "| %s |", o.title)
		for _, c := range r.run() {
			got := r.matrix.at(kind, c, o)
			fmt.Fprintf(w, " %s |", got.shown(n))
		}
		w.WriteString("\n")
	}
}

// ended is why there is no result of what can be run.
const ended = "the run ended before"

// shown is a cell with the number of its reason.
func (c cell) shown(n *notes) string {
	switch {
	case c.Mark == "":
		return fmt.Sprintf("%s %d", notRun, n.number(ended))
	case c.Reason == "":
		return string(c.Mark)
	default:
		return fmt.Sprintf("%s %d", c.Mark, n.number(c.Reason))
	}
}

// writeMessages writes what each client says, and whether that tells a person what happened.
func (r *report) writeMessages(w *strings.Builder) {
	w.WriteString("\n## What people are told\n\nWhat a client prints when it is refused, and whether that says what happened: " +
		"where it does not, the client leaves out what Dockit says, and shows a status or a word of its own. That a user is disabled is told everybody as what may be, " +
		"because no more would tell guessers who there is. A push is refused by the registry, in its words.\n")
	for _, o := range situations {
		fmt.Fprintf(w, "\n### %s\n\n| client | says | tells |\n|---|---|:---:|\n", strings.ToUpper(o.title[:1])+o.title[1:])
		for _, c := range r.run() {
			text := cmp.Or(r.said[o.id][c.id], notRunText+ended)
			if reason, ok := strings.CutPrefix(text, notRunText); ok {
				fmt.Fprintf(w, "| %s | %s | – |\n", c.id, escape(reason))
				continue
			}
			tells := failed
			if o.tells.MatchString(text) {
				tells = passed
			}
			fmt.Fprintf(w, "| %s | `%s` | %s |\n", c.id, escape(strings.ReplaceAll(text, "`", "'")), tells)
		}
	}
}

// escape has a text stand in a cell of a table.
func escape(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }
