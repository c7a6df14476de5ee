package dockit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gerund is how an error begins that says what the program was at, instead of what
// was tried: "reading x: no such file" for "read x: no such file". A thing may
// be at fault: "nothing to read".
var gerund = regexp.MustCompile(`^[a-z]+ing\b`)

var things = []string{"nothing", "something", "everything", "anything", "binding"}

func TestErrorsBeginAlike(t *testing.T) {
	beginsBadly := func(message string) bool {
		word := gerund.FindString(message)
		return word != "" && strings.Contains(message, "%w") && !slices.Contains(things, word)
	}
	for message, bad := range map[string]bool{
		"reading %q: %w":              true,
		"read %q: %w":                 false,
		"making a key: %w, twice":     true,
		"nothing at %s: %w":           false,
		"binding %s: %w":              false,
		"signing key without a chain": false,
	} {
		assert.Equal(t, bad, beginsBadly(message), message)
	}

	files, checked := token.NewFileSet(), 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "testdata" || entry.Name() == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Errorf" {
				return true
			}
			checked++
			assert.False(t, beginsBadly(literal(call.Args[0])), "%s: begin with what was tried, as in \"read %%s: %%w\"", files.Position(call.Pos()))
			return true
		})
		return nil
	})
	require.NoError(t, err)
	assert.Greater(t, checked, 500, "errors that were looked at")
}

// literal is what a constant string says, as far as it stands there.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value) // empty for a number
		return s
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}
