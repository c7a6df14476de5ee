package dockit_test

import (
	"encoding/json"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/dockit-registry/dockit"

// layers are the packages from the bottom up: one imports those of layers below
// its own only, and of its own what stands under one of its own name.
var layers = [][]string{
	{"internal/atomicfile", "internal/clock", "internal/connections", "internal/currentlog", "internal/freeport", "internal/hedged", "internal/httpclient", "internal/memorylimit", "internal/opaque", "internal/printable", "internal/version", "handlers/limit"},
	{"subject", "access"},
	{"internal/duration", "internal/password", "audit", "pki"},
	{"state", "internal/token"},
	{"adminapi", "store", "internal/importer"},
	{"client", "internal/cache", "internal/firstadmin", "internal/retention"},
	{"internal/auth", "internal/cli", "internal/metrics", "internal/settings"},
	{"handlers", "internal/cli/..."},
	{"handlers/admin", "internal/apiserver", "internal/routeorder"},
	{""},
	{"cmd/..."},
}

// onlyIn says where alone a library, or a package of Dockit, may be imported.
var onlyIn = map[string][]string{
	"github.com/caddyserver/":         {"", "cmd/...", "internal/apiserver"},
	"github.com/danielgtaylor/huma/":  {"handlers/admin"},
	"github.com/spf13/cobra":          {"", "cmd/...", "internal/apiserver", "internal/cli", "internal/cli/..."},
	"github.com/docker/cli/":          {"internal/cli"},
	"github.com/golang-jwt/jwt/":      {"internal/token"},
	"github.com/go-sql-driver/mysql":  {"store"},
	"modernc.org/sqlite":              {"store", "store/sqlitefile"},
	"github.com/pressly/goose/":       {"store", "store/sqlitefile"},
	"github.com/alexedwards/argon2id": {"internal/password"},
	"golang.org/x/crypto/bcrypt":      {"internal/password"},
	module + "/internal/cli/":         {"", "cmd/...", "internal/apiserver", "internal/cli/..."},
	module + "/handlers/admin":        {"", "cmd/..."},
	module + "/store":                 {"", "cmd/...", "handlers", "handlers/admin", "internal/auth", "internal/auth/...", "internal/cache", "internal/firstadmin", "internal/metrics", "internal/retention", "internal/cli/database", "internal/apiserver", "store/sqlitefile"},
}

// public are the packages that programs outside import, but for the Caddy module.
var public = []string{"access", "subject", "adminapi", "client", "state", "audit"}

func TestPublicPackagesHaveAnExample(t *testing.T) {
	for _, name := range public {
		tests, err := filepath.Glob(filepath.Join(name, "*_test.go"))
		require.NoError(t, err)
		var files []*ast.File
		for _, test := range tests {
			file, err := parser.ParseFile(token.NewFileSet(), test, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
		assert.True(t, slices.ContainsFunc(doc.Examples(files...), func(e *doc.Example) bool {
			return e.Name == "" && e.Output != "" // one of the package as a whole, which runs
		}), "%s: write an Example with the output that it has", name)
	}
}

func TestWhatImportsWhat(t *testing.T) {
	rank := func(name string) int {
		return slices.IndexFunc(layers, func(names []string) bool { return within(names, name) })
	}
	for name, imports := range imported(t) {
		if strings.HasSuffix(name, "test") { // fixtures
			continue
		}
		own := rank(name)
		if !assert.GreaterOrEqual(t, own, 0, "%s stands in no layer: add it to one", name) {
			continue
		}
		for _, path := range imports {
			for prefix, allowed := range onlyIn {
				if strings.HasPrefix(path, prefix) {
					assert.True(t, within(allowed, name), "%s imports %s, which only these may: %q", name, path, allowed)
				}
			}
			other, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			other = strings.TrimPrefix(other, "/")
			below := rank(other) < own || rank(other) == own && strings.HasPrefix(name, "internal/cli/")
			assert.True(t, below, "%s imports %s, which stands no lower", name, other)
		}
	}
}

// within reports whether a package is one of those named; a name with /... stands
// for what is below it.
func within(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		above, many := strings.CutSuffix(n, "...")
		return n == name || many && strings.HasPrefix(name, above)
	})
}

// imported are the packages of the module and what they import, tests left out.
func imported(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags", "nobadger,nomysql,nopgx", "-json=ImportPath,Imports", "./...")
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	found := make(map[string][]string)
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := decoder.Decode(&p)
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		found[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p.Imports
	}
}
