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
	{"internal/atomicfile", "internal/challenge", "internal/clock", "internal/connections", "internal/currentlog", "internal/freeport", "internal/glob", "internal/hedged", "internal/httpclient", "internal/jsonstring", "internal/memorylimit", "internal/opaque", "internal/printable", "internal/version", "handlers/limit"},
	{"internal/jwkset", "subject", "access"},
	{"internal/dockerconfig", "internal/duration", "internal/federation", "internal/idtoken", "internal/password", "internal/tokenexchange", "audit", "pki", "store/migrations", "store/sqlitefile", "internal/registryclient"},
	{"state", "internal/ciplatform", "internal/issuerkeys", "internal/token", "store/internal/dialect", "internal/credentialprovider"},
	{"adminapi", "store", "internal/federation/verifier", "internal/importer", "internal/registryview"},
	{"client", "internal/cache", "internal/diagnosis", "internal/firstadmin", "internal/retention"},
	{"internal/auth/passwords"},
	{"internal/auth", "internal/cli", "internal/settings"},
	{"handlers", "internal/cli/...", "internal/metrics"},
	{"handlers/admin", "handlers/page/frame", "internal/apiserver", "internal/routeorder"},
	{"handlers/page/credentials"},
	{"handlers/page/repositories", "handlers/page/administration", "handlers/page/trust"},
	{"handlers/page"},
	{""},
	{"cmd/..."},
}

// onlyIn says where alone a library, or a package of Dockit, may be imported.
var onlyIn = map[string][]string{
	"github.com/caddyserver/":         {"", "cmd/...", "internal/apiserver"},
	"github.com/danielgtaylor/huma/":  {"handlers/admin"},
	"github.com/spf13/cobra":          {"", "cmd/...", "internal/apiserver", "internal/cli", "internal/cli/..."},
	"github.com/docker/":              {"internal/dockerconfig"},
	"github.com/golang-jwt/jwt/":      {"internal/idtoken", "internal/token"},
	"github.com/go-sql-driver/mysql":  {"store/internal/dialect"},
	"modernc.org/sqlite":              {"store/internal/dialect", "store/sqlitefile"},
	"github.com/pressly/goose/":       {"store/internal/dialect", "store/sqlitefile"},
	"github.com/alexedwards/argon2id": {"internal/password"},
	"golang.org/x/crypto/bcrypt":      {"internal/password"},
	module + "/internal/cli/":         {"", "cmd/...", "internal/apiserver", "internal/cli/..."},
	module + "/handlers/admin":        {"", "cmd/..."},
	module + "/handlers/page":         {"", "cmd/...", "handlers/page", "handlers/page/..."},
	module + "/internal/auth/":        {"internal/auth"},
	module + "/store":                 {"", "store", "store/internal/dialect", "cmd/...", "handlers", "handlers/admin", "internal/auth", "internal/auth/...", "internal/cache", "internal/firstadmin", "internal/metrics", "internal/retention", "internal/cli/database", "internal/apiserver"},
	module + "/store/sqlitefile":      {"store", "store/internal/dialect", "internal/cli/database"},
}

// added are the modules that Dockit adds to a Caddy with its standard modules: each
// is one more for everybody who builds it in.
var added = []string{
	"github.com/alexedwards/argon2id",
	"github.com/danielgtaylor/huma/v2",
	"github.com/docker/docker-credential-helpers",
	"github.com/dockit-registry/dockit",
	"github.com/fsnotify/fsnotify",
	"github.com/go-sql-driver/mysql",
	"github.com/golang-jwt/jwt/v5",
	"github.com/hashicorp/golang-lru/v2",
	"github.com/mfridman/interpolate", // of goose
	"github.com/pressly/goose/v3",
	"github.com/remyoudompheng/bigfft", // of modernc.org/mathutil
	"github.com/rs/cors",
	"github.com/sethvargo/go-retry", // of goose
	"go.yaml.in/yaml/v2",            // of sigs.k8s.io/yaml
	"modernc.org/libc",
	"modernc.org/mathutil",
	"modernc.org/memory",
	"modernc.org/sqlite",
	"sigs.k8s.io/yaml",
}

// linked are the modules of which packages link anything.
func linked(t *testing.T, packages ...string) []string {
	t.Helper()
	arguments := append([]string{"list", "-deps", "-tags", "nobadger,nomysql,nopgx", "-f", "{{with .Module}}{{.Path}}{{end}}"}, packages...)
	cmd := exec.CommandContext(t.Context(), "go", arguments...)
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	modules := strings.Fields(string(output))
	slices.Sort(modules)
	return slices.Compact(modules)
}

// TestWhatThePluginLinks guards that the plugin of the kubelet stays small: no Caddy,
// no database, nothing of Kubernetes.
func TestWhatThePluginLinks(t *testing.T) {
	assert.Equal(t, []string{module}, linked(t, "./cmd/dockit-credential-provider"))
}

func TestWhatIsAddedToCaddy(t *testing.T) {
	const caddy = "github.com/caddyserver/caddy/v2/"
	stock := linked(t, caddy+"cmd", caddy+"modules/standard")
	assert.Equal(t, added, slices.DeleteFunc(linked(t, "."), func(module string) bool { return slices.Contains(stock, module) }),
		"do without, or add it to those that are known")
}

// tooHeavy are packages that modules of Caddy bring with them, which the binary does without: see docs/caddy.md.
var tooHeavy = []string{
	"github.com/alecthomas/chroma/v2/lexers", // of templates, which file_server brings
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver",
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/templates",
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/tracing",
	"github.com/caddyserver/caddy/v2/modules/caddypki/acmeserver",
	"github.com/dgraph-io/badger/v2", // what the tags leave out
	"github.com/jackc/pgx/v5",
}

// TestTheBinaryIsLight guards what the standalone binary links, and what each of its commands sets up as it starts.
func TestTheBinaryIsLight(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "nobadger,nomysql,nopgx", "./cmd/dockit")
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	linked := strings.Fields(string(output))
	require.Contains(t, linked, "github.com/caddyserver/caddy/v2/modules/caddyhttp")
	for _, heavy := range tooHeavy {
		assert.NotContains(t, linked, heavy)
	}
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
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
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
