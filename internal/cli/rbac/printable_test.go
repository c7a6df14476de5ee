package rbac

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// What others wrote does not steer the terminal, whichever way it is printed.
func TestNothingOfOthersSteersTheTerminal(t *testing.T) {
	const hostile = "a\u202eb\x1b[2J\u009bc\u2066d\u200be"
	ref := subject.Ref{Kind: subject.User, Name: hostile}
	for name, print := range map[string]func(p *cli.Printer) error{
		"an error":       func(p *cli.Printer) error { cli.PrintError(p.Out, nil, errors.New(hostile)); return nil },
		"an answer":      func(p *cli.Printer) error { cli.PrintError(p.Out, nil, &cli.Answer{Text: hostile}); return nil },
		"a warning":      func(p *cli.Printer) error { cli.Warnf(p.Out, "Warning: %v", errors.New(hostile)); return nil },
		"a line":         func(p *cli.Printer) error { return p.Done(hostile, hostile, hostile) },
		"one of several": func(p *cli.Printer) error { return p.Append(hostile, hostile, hostile) },
		"a plan": func(p *cli.Printer) error {
			return printPlan(p, adminapi.Plan{Changes: []state.Change{{Action: state.Create, Subject: ref}}}, "", "were")
		},
		"a list": func(p *cli.Printer) error {
			return cli.PrintList(p, func(yield func(subject.Ref, error) bool) { yield(ref, nil) }, cli.Listing[subject.Ref]{
				Header: []any{"text", "reference"},
				Row:    func(r subject.Ref) []any { return []any{r.Name, r} },
				Name:   subject.Ref.String,
			})
		},
		"an explanation": func(p *cli.Printer) error {
			printExplanation(p, explanation{Issuer: hostile, Subject: hostile, Problems: []string{hostile}})
			return nil
		},
	} {
		for _, f := range []cli.Format{cli.FormatTable, cli.FormatName, cli.FormatJSON, cli.FormatYAML} {
			t.Run(name+" as "+string(f), func(t *testing.T) {
				var out bytes.Buffer
				require.NoError(t, print(&cli.Printer{Out: &out, Format: f}))
				i := slices.IndexFunc([]rune(out.String()), func(r rune) bool { return r != '\n' && !printable.Rune(r) })
				assert.Equal(t, -1, i, "%q", out.String())
			})
		}
	}
	encoded, err := cli.EncodeJSON(hostile, "")
	require.NoError(t, err)
	var decoded string
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	assert.Equal(t, hostile, decoded, "programs get what it is")
}
