package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// binFolder is where programs are built for all tests.
var binFolder string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "dockit-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
	binFolder = folder
	code := m.Run()
	_ = os.RemoveAll(folder) // it is not what is tested
	os.Exit(code)
}

// TestInterop tries the clients that most people have at both generations of registries, as make interop does with all.
func TestInterop(t *testing.T) {
	p, _ := here(t)
	o := options{clients: regexp.MustCompile(`^(crane|skopeo|docker)$`), sites: regexp.MustCompile(`^distribution-[0-9.]+$`)}
	o.operations = regexp.MustCompile(`^[^l]|^lo[^n]`) // no long-push
	m := o.matrix(p)
	require.Len(t, m.clients, 3)
	require.Len(t, m.kinds, len(registry.Kinds))
	for _, c := range m.clients {
		if c.absent != "" {
			cannot.Run(t, errors.New(c.id+": "+c.absent))
		}
	}
	require.NoError(t, m.run(t.Context(), p, t.TempDir(), 3, func() error { return nil }))
	assert.Empty(t, m.failures())
	for _, kind := range m.kinds {
		for _, c := range m.clients {
			for _, o := range m.operations {
				got := m.at(kind, c, o)
				assert.NotEmpty(t, got.Mark, "%s, %s, %s", kind.id, c.id, o.id)
				assert.True(t, got.Mark != notRun || got.Reason != "", "%s, %s, %s", kind.id, c.id, o.id)
			}
		}
	}
}

func TestOutcome(t *testing.T) {
	broken := errors.New("it\nbroke")
	for name, tc := range map[string]struct {
		err   error
		fault string
		want  cell
	}{
		"works":                      {nil, "", cell{Mark: passed}},
		"fails":                      {broken, "", cell{failed, "it broke"}},
		"nothing to try":             {errors.Join(&missingError{"no command"}, nil), "", cell{notRun, "no command"}},
		"known fault":                {broken, "stops", cell{failed, knownFault + "stops"}},
		"known fault that is mended": {nil, "stops", cell{failed, "is expected to fail, and does not: stops"}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, outcome(tc.err, tc.fault)) })
	}
}

// TestReport writes a page of which every cell has a reason or needs none.
func TestReport(t *testing.T) {
	kind := &siteKind{id: "one", title: "distribution 3, Dockit beside it", version: func(programs) string { return "3.1.2" }}
	here, gone := &client{id: "here", version: "1.0"}, &client{id: "gone", absent: "not built"}
	o := operation{id: "push", title: "push"}
	m := newMatrix([]*client{here, gone}, []operation{o}, []*siteKind{kind, {id: "two", title: "zot", absent: "too large.", version: kind.version}})
	m.set(kind, here, o, cell{failed, "a|b"})
	var page strings.Builder
	require.NoError(t, (&report{matrix: m, said: messages{"locked": {"here": "too many wrong passwords"}}}).write(&page))
	for _, want := range []string{
		"| distribution | 3.1.2 |", "| here | 1.0 |", "| gone | not run: not built |", "| push | ✗ 1 |", "1. a\\|b\n", "Not run: too large.\n",
		"| here | `too many wrong passwords` | ✓ |",
	} {
		assert.Contains(t, page.String(), want)
	}
	assert.Len(t, m.failures(), 1)
}

// TestKept goes on where a run was interrupted, and tries again what failed.
func TestKept(t *testing.T) {
	kind, c := &siteKind{id: "one"}, &client{id: "crane", version: "1"}
	push, pull := operation{id: "push"}, operation{id: "pull"}
	file := filepath.Join(t.TempDir(), "kept.json")
	matrix := func() *matrix { return newMatrix([]*client{c}, []operation{push, pull}, []*siteKind{kind}) }
	first := &report{matrix: matrix()}
	require.NoError(t, first.load(file))
	first.matrix.set(kind, c, push, cell{Mark: passed})
	first.matrix.set(kind, c, pull, cell{failed, "it broke"})
	first.said = messages{"locked": {"crane": "too many"}}
	require.NoError(t, first.save(file))
	require.True(t, first.matrix.complete(kind))

	second := &report{matrix: matrix()}
	require.NoError(t, second.load(file))
	assert.Equal(t, first.said, second.said)
	after := second.matrix
	assert.Equal(t, cell{Mark: passed}, after.at(kind, c, push))
	assert.Empty(t, after.at(kind, c, pull).Mark)
	assert.False(t, after.complete(kind))
	assert.Empty(t, after.at(kind, &client{id: "crane", version: "2"}, push).Mark)
}
