package client

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// declaredCodes reads the constants of type Code from the source of adminapi.
func declaredCodes(t *testing.T) map[string]adminapi.Code {
	t.Helper()
	files, err := filepath.Glob("../adminapi/*.go")
	require.NoError(t, err)
	found := map[string]adminapi.Code{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok, spec.Names[0].Name)
			value, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			found[spec.Names[0].Name] = adminapi.Code(value)
			return true
		})
	}
	return found
}

func TestEveryCodeHasASentinel(t *testing.T) {
	codes := declaredCodes(t)
	require.Contains(t, codes, "CodeNotFound")
	assert.Len(t, codes, len(sentinels))
	seen := map[error]string{}
	for name, code := range codes {
		sentinel, ok := sentinels[code]
		if !assert.True(t, ok, "%s: add an error for it to errors.go", name) {
			continue
		}
		assert.Empty(t, seen[sentinel], "%s has the error of another code", name)
		seen[sentinel] = name
		err := &Error{Problem: adminapi.Problem{Code: code}}
		for of, other := range sentinels {
			assert.Equal(t, of == code, err.Is(other), "%s: %v", name, other)
		}
	}
}

func TestUnknownCodesAreNoSentinel(t *testing.T) {
	for _, code := range []adminapi.Code{"", "of a later version"} {
		err := &Error{Problem: adminapi.Problem{Code: code}}
		require.NotErrorIs(t, err, nil)
		for _, sentinel := range sentinels {
			require.NotErrorIs(t, err, sentinel)
		}
	}
}

func TestRetryAfterIsTold(t *testing.T) {
	for header, want := range map[string]int{"5": 5, "": 0, "-1": 0, "soon": 0, "99999999999999999999": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 0} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"title":"Service Unavailable","status":503,"code":"storage"}`))
		}))
		t.Cleanup(server.Close)
		c, err := New(Options{BaseURL: server.URL})
		require.NoError(t, err)
		_, err = c.Subject(t.Context(), subject.Anonymous)
		require.ErrorIs(t, err, ErrStorage)
		var refused *Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, want, refused.Problem.RetryAfter, header)
	}
}
