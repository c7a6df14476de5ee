package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// What others wrote does not steer the terminal, whichever way it is printed.
func TestNothingOfOthersSteersTheTerminal(t *testing.T) {
	const hostile = "a\u202eb\x1b[2J\u009bc\u2066d\u200be"
	ref := subject.Ref{Kind: subject.User, Name: hostile}
	for name, print := range map[string]func(p *printer) error{
		"an error":       func(p *printer) error { PrintError(p.out, nil, errors.New(hostile)); return nil },
		"an answer":      func(p *printer) error { PrintError(p.out, nil, &answer{text: hostile}); return nil },
		"a warning":      func(p *printer) error { warnf(p.out, "Warning: %v", errors.New(hostile)); return nil },
		"a line":         func(p *printer) error { return p.done(hostile, hostile, hostile) },
		"one of several": func(p *printer) error { return p.append(hostile, hostile, hostile) },
		"a plan": func(p *printer) error {
			return printPlan(p, adminapi.Plan{Changes: []state.Change{{Action: state.Create, Subject: ref}}}, "", "were")
		},
		"a list": func(p *printer) error {
			return printList(p, func(yield func(subject.Ref, error) bool) { yield(ref, nil) }, listing[subject.Ref]{
				header: []any{"text", "reference"},
				row:    func(r subject.Ref) []any { return []any{r.Name, r} },
				name:   subject.Ref.String,
			})
		},
		"an explanation": func(p *printer) error {
			printExplanation(p, explanation{Issuer: hostile, Subject: hostile, Problems: []string{hostile}})
			return nil
		},
	} {
		for _, f := range []format{formatTable, formatName, formatJSON, formatYAML} {
			t.Run(name+" as "+string(f), func(t *testing.T) {
				var out bytes.Buffer
				require.NoError(t, print(&printer{out: &out, format: f}))
				i := slices.IndexFunc([]rune(out.String()), func(r rune) bool { return r != '\n' && !printable.Rune(r) })
				assert.Equal(t, -1, i, "%q", out.String())
			})
		}
	}
	encoded, err := encodeJSON(hostile, "")
	require.NoError(t, err)
	var decoded string
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	assert.Equal(t, hostile, decoded, "programs get what it is")
}
