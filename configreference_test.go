package dockit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/referencetest"
)

// sources are the Go files of a folder of this module, without its tests.
type sources struct {
	files []*ast.File
	// comments are those of types, and of their fields as Type.Field.
	comments map[string]string
}

func readSources(t *testing.T, folder string) sources {
	t.Helper()
	s := sources{comments: make(map[string]string)}
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		s.files = append(s.files, file)
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE {
				continue
			}
			for _, spec := range general.Specs {
				s.addType(general, spec.(*ast.TypeSpec))
			}
		}
	}
	return s
}

func (s sources) addType(declaration *ast.GenDecl, spec *ast.TypeSpec) {
	comment := declaration.Doc
	if spec.Doc != nil {
		comment = spec.Doc
	}
	s.comments[spec.Name.Name] = comment.Text()
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			s.comments[spec.Name.Name+"."+name.Name] = strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
		}
	}
}

// method is the declaration of a method, by the type of its receiver.
func (s sources) method(receiver, name string) *ast.FuncDecl {
	for _, file := range s.files {
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Name.Name != name || function.Recv == nil {
				continue
			}
			pointer, ok := function.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			if of, ok := pointer.X.(*ast.Ident); ok && of.Name == receiver {
				return function
			}
		}
	}
	return nil
}

// setting is a field of the configuration.
type setting struct {
	owner, field, name, kind, comment string
}

// ownModules are the types of Dockit's modules of Caddy, by their ids.
func ownModules() map[string]reflect.Type {
	all := make(map[string]reflect.Type)
	for _, id := range caddy.Modules() {
		module, err := caddy.GetModule(id)
		if err != nil {
			continue
		}
		of := reflect.TypeOf(module.New())
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.PkgPath() == "github.com/dockit-registry/dockit" && of != reflect.TypeFor[recorder]() && of != reflect.TypeFor[standIn]() {
			all[id] = of
		}
	}
	return all
}

// settingsOf walks a type of the configuration, and those of its fields.
func (s sources) settingsOf(of reflect.Type, visit func(reflect.Type, []setting)) {
	var found []setting
	var below []reflect.Type
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		inner := field.Type
		kind := strings.NewReplacer("*", "", "[]", "list of ", "caddy.Duration", "duration", "dockit.", "").Replace(inner.String())
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			below = append(below, inner)
			kind = strings.Replace(kind, inner.Name(), "["+inner.Name()+"](#"+strings.ToLower(inner.Name())+")", 1)
		}
		found = append(found, setting{of.Name(), field.Name, name, kind, s.comments[of.Name()+"."+field.Name]})
	}
	visit(of, found)
	for _, one := range below {
		if strings.HasPrefix(one.PkgPath(), "github.com/dockit-registry/dockit") {
			s.settingsOf(one, visit)
		}
	}
}

// TestConfigurationIsDocumented looks for a comment on every module, and on every field
// that JSON has: Caddy's documentation is made of them.
func TestConfigurationIsDocumented(t *testing.T) {
	s := readSources(t, ".")
	modules := ownModules()
	for _, id := range []string{"dockit", "http.handlers.dockit", "caddy.listeners.dockit_connections"} {
		require.Contains(t, modules, id)
	}
	fields := 0
	for id, of := range modules {
		s.settingsOf(of, func(of reflect.Type, settings []setting) {
			assert.NotEmpty(t, s.comments[of.Name()], "%s: %s has no comment", id, of.Name())
			for _, one := range settings {
				fields++
				assert.NotEmpty(t, one.name, "%s: %s.%s has no name in JSON", id, one.owner, one.field)
				assert.True(t, strings.HasPrefix(one.comment, one.field+" "), "%s: the comment on %s.%s begins with its name: %q", id, one.owner, one.field, one.comment)
			}
		})
	}
	assert.Greater(t, fields, 35, "fields were found")
}

// directives are the subdirectives that the code reads: those of the global option under
// "", those of a block under its name.
func (s sources) directives(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	text := func(e ast.Expr) string {
		if sum, ok := e.(*ast.BinaryExpr); ok {
			e = sum.X
		}
		literal, ok := e.(*ast.BasicLit)
		require.True(t, ok, "the name of a block stands in the code")
		value, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)
		return strings.TrimSpace(value)
	}
	ast.Inspect(s.method("App", "UnmarshalCaddyfile"), func(n ast.Node) bool {
		if clause, ok := n.(*ast.CaseClause); ok {
			for _, name := range clause.List {
				found[""] = append(found[""], text(name))
			}
		}
		return true
	})
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if function, ok := call.Fun.(*ast.Ident); !ok || function.Name != "readBlock" {
				return true
			}
			block := text(call.Args[1])
			for _, element := range call.Args[2].(*ast.CompositeLit).Elts {
				found[block] = append(found[block], text(element.(*ast.KeyValueExpr).Key))
			}
			return true
		})
	}
	return found
}

// syntaxOf is the syntax in the comment on a method, without its indentation.
func (s sources) syntaxOf(receiver string) string {
	var lines []string
	for line := range strings.Lines(s.method(receiver, "UnmarshalCaddyfile").Doc.Text()) {
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			lines = append(lines, code)
		}
	}
	return strings.Join(lines, "")
}

// TestReferenceOfCaddyfile writes down every directive and every field of the JSON
// configuration, and looks for each directive that the code reads in the syntax.
func TestReferenceOfCaddyfile(t *testing.T) {
	s := readSources(t, ".")
	directives := s.directives(t)
	require.Contains(t, directives[""], "database")
	require.Contains(t, directives, "pki")
	syntax := s.syntaxOf("App")
	written := make(map[string][]string)
	block := ""
	for _, match := range regexp.MustCompile(`(?m)^(\t+)(\w+)`).FindAllStringSubmatch(syntax, -1) {
		switch len(match[1]) {
		case 1:
			block = match[2]
			written[""] = append(written[""], block)
		case 2:
			written[block] = append(written[block], match[2])
		}
	}
	for of, names := range directives {
		assert.ElementsMatch(t, names, written[of], "the syntax in the comment on UnmarshalCaddyfile, block %q", of)
	}
	assert.Len(t, written, len(directives), "blocks of the syntax")

	var page strings.Builder
	page.WriteString("What each is for, with the defaults written out, is in [Caddy](../caddy.md).\n\n## The global option\n\n```text\n" + syntax + "```\n\n")
	page.WriteString("## The directive\n\n```text\n" + s.syntaxOf("Handler") + "```\n\nThe paths of each group are in [endpoints](endpoints.md).\n\n## JSON\n\n")
	page.WriteString("The fields of Dockit's modules in a JSON configuration of Caddy, and the directive that sets each. Durations are texts such as `\"5m\"`, or nanoseconds.\n")
	modules := ownModules()
	for _, id := range slices.Sorted(maps.Keys(modules)) {
		page.WriteString("\n### Module `" + id + "`\n")
		first := true
		s.settingsOf(modules[id], func(of reflect.Type, settings []setting) {
			if !first {
				page.WriteString("\n#### " + of.Name() + "\n")
			}
			page.WriteString("\n" + strings.TrimSpace(s.comments[of.Name()]) + "\n\n" + referencetest.Head("field", "directive", "type", "meaning"))
			names := directives[blockOf(directives, modules[id], of, first)]
			for _, one := range settings {
				directive := ""
				for _, name := range names {
					if one.name == name || one.name == name+"s" {
						directive = "`" + name + "`"
					}
				}
				page.WriteString(referencetest.Row("`"+one.name+"`", directive, one.kind, referencetest.Cell(one.comment)))
			}
			first = false
		})
	}
	referencetest.Check(t, ".", "caddyfile.md", "Caddyfile and JSON", page.String())
}

// blockOf is the block of the Caddyfile that sets a type of the configuration: the
// name of the field, or of one of the list, that holds it.
func blockOf(directives map[string][]string, module, of reflect.Type, first bool) string {
	if first {
		if module == reflect.TypeFor[App]() {
			return ""
		}
		return "none"
	}
	for field := range module.Fields() {
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if inner != of {
			continue
		}
		if _, ok := directives[name]; ok {
			return name
		}
		return strings.TrimSuffix(name, "s")
	}
	return "none"
}

// TestNoDirectiveWithoutField is what a page of directives could leave out: every
// subdirective of a block sets a field of its name.
func TestNoDirectiveWithoutField(t *testing.T) {
	s := readSources(t, ".")
	directives := s.directives(t)
	fields := make(map[string]bool)
	first := true
	s.settingsOf(reflect.TypeFor[App](), func(of reflect.Type, settings []setting) {
		block := blockOf(directives, reflect.TypeFor[App](), of, first)
		for _, one := range settings {
			fields[block+"/"+one.name] = true
			fields[block+"/"+strings.TrimSuffix(one.name, "s")] = true
		}
		first = false
	})
	for block, names := range directives {
		for _, name := range names {
			assert.True(t, fields[block+"/"+name], "%s of block %q sets no field of this name", name, block)
		}
	}
}
