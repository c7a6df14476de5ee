package dockit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConditionsAreAssertions guards that tests compare with testify, which shows
// both sides, and not by an if around t.Fatal or t.Error. A test that fails in CI
// where it would be skipped elsewhere says so as it likes.
func TestConditionsAreAssertions(t *testing.T) {
	for body, by := range map[string]string{
		`if err != nil { t.Fatal(err) }`:                                      "t.Fatal",
		`if got := f(); got != want { f.Errorf("got %v", got); return }`:      "f.Errorf",
		`for { if !ok { h.t.Error("no") } else { return } }`:                  "t.Error",
		`if !assert.True(t, ok) { t.Fatal(describe()) }`:                      "",
		`if err == nil { assert.Error(t, f()) }`:                              "",
		`if err != nil { ts.Fatalf("%v", err) }`:                              "",
		`if os.Getenv("CI") != "" { t.Fatal(reason) }; t.Skip(reason)`:        "",
		`select { case <-done: default: t.Fatal("not yet") }`:                 "",
		`if err != nil { http.Error(w, "no", http.StatusBadRequest); break }`: "",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() { "+body+" }", parser.SkipObjectResolution)
		require.NoError(t, err, body)
		var found []string
		for _, call := range bareConditions(file) {
			found = append(found, failure(call))
		}
		assert.Equal(t, by, strings.Join(found, ", "), body)
	}

	files, checked := token.NewFileSet(), 0
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "testdata" || entry.Name() == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		checked++
		for _, call := range bareConditions(file) {
			assert.Fail(t, "a bare condition", "%s: say it with require or assert instead of %s", files.Position(call.Pos()), failure(call))
		}
		return nil
	}))
	assert.Greater(t, checked, 200, "files of tests that were looked at")
}

// bareConditions are the calls that make a test fail when a condition holds that
// is no assertion.
func bareConditions(file *ast.File) []*ast.CallExpr {
	var found []*ast.CallExpr
	skips := make(map[ast.Stmt]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			for i, statement := range n.List[min(1, len(n.List)):] {
				if call := called(statement); call != nil && strings.HasPrefix(selected(call.Fun), "Skip") {
					skips[n.List[i]] = true
				}
			}
		case *ast.IfStmt:
			if call := called(n.Body.List...); call != nil && failure(call) != "" && !skips[n] && !asserts(n.Cond) {
				found = append(found, call)
			}
		}
		return true
	})
	return found
}

// failure is the method that makes a test fail with a message, with what it is of;
// empty: the call is of something else.
func failure(call *ast.CallExpr) string {
	method := selected(call.Fun)
	switch method {
	case "Fatal", "Fatalf", "Error", "Errorf":
	default:
		return ""
	}
	of := selected(call.Fun.(*ast.SelectorExpr).X)
	if slices.Contains([]string{"assert", "require", "http", "ts"}, of) { // ts is a script
		return ""
	}
	return of + "." + method
}

// asserts reports whether a condition is, or holds, an assertion.
func asserts(condition ast.Expr) bool {
	found := false
	ast.Inspect(condition, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		found = found || ok && selected(call.X) == "assert"
		return true
	})
	return found
}

// called is the call that the first of some statements is.
func called(statements ...ast.Stmt) *ast.CallExpr {
	if len(statements) == 0 {
		return nil
	}
	statement, ok := statements[0].(*ast.ExprStmt)
	if !ok {
		return nil
	}
	call, _ := statement.X.(*ast.CallExpr)
	return call
}

// selected is the last name of an expression such as h.t.
func selected(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
