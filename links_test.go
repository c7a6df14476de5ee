package dockit_test

import (
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// TestLinksInDocumentation follows every relative link of every Markdown file to a file or folder of this repository,
// and to a heading in it.
func TestLinksInDocumentation(t *testing.T) {
	files := markdownFiles(t)
	require.Contains(t, files, "README.md")
	pages := make(map[string]page, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		pages[file] = readPage(content)
	}
	followed := 0
	for file, p := range pages {
		for _, link := range p.links {
			problem, relative := follow(pages, file, link)
			if relative {
				followed++
			}
			assert.Empty(t, problem, "%s: %s", file, link)
		}
	}
	assert.Greater(t, followed, 40, "links were found")
}

// TestBrokenLinksAreFound has a link of each kind that leads nowhere, and one of each that does not count.
func TestBrokenLinksAreFound(t *testing.T) {
	pages := map[string]page{
		"README.md": readPage([]byte("# Dockit\n\n## It's *fast* & `safe`\n\n## Twice\n\n## Twice\n\n```\n## Code\n[code](gone.md)\n```\n\n" +
			"[a](docs/caddy.md) ![b](gone.png) [c][ref] `[d](gone.md)` <https://example.com>\n\n| [e](f.md) |\n|---|\n\n[ref]: docs/gone.md\n")),
		"docs/caddy.md": {},
	}
	assert.Equal(t, []string{"docs/caddy.md", "gone.png", "docs/gone.md", "https://example.com", "f.md"}, pages["README.md"].links)
	for link, want := range map[string]string{
		"https://example.com/gone":  "",
		"mailto:alice@example.com":  "",
		"//example.com/gone":        "write it with https://",
		"http://example.com/gone":   "write it with https://",
		"https://localhost/gone":    "it leads to no host that everybody can reach",
		"https://10.0.0.1/gone":     "it leads to no host that everybody can reach",
		"https://a.example.com:1/b": "it leads to no host that everybody can reach",
		"docs/caddy.md":             "",
		"docs":                      "",
		"docs/":                     "",
		"#twice-1":                  "",
		"README.md#its-fast--safe":  "",
		"./docs/../README.md#twice": "",
		"gone.md":                   "there is no gone.md",
		"docs/gone.md#twice":        "there is no docs/gone.md",
		"#gone":                     "README.md has no heading #gone",
		"#Twice":                    "README.md has no heading #Twice",
		"#twice-2":                  "README.md has no heading #twice-2",
		"#code":                     "README.md has no heading #code",
		"docs/caddy.md#twice":       "docs/caddy.md has no heading #twice",
		"docs#twice":                "docs has no headings",
		"../README.md":              "it leads out of the repository",
		"/README.md":                "write it relative to the file",
		"%zz":                       "it is no URL",
	} {
		problem, _ := follow(pages, "README.md", link)
		assert.Equal(t, want, problem, link)
	}
	problem, _ := follow(pages, "docs/caddy.md", "../README.md#twice")
	assert.Empty(t, problem)
}

// markdownFiles are the Markdown files of this repository.
func markdownFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "bin" || path == ".git" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.Type().IsRegular() && filepath.Ext(path) == ".md":
			files = append(files, filepath.ToSlash(path))
		}
		return nil
	}))
	return files
}

// page is a Markdown file: where it links to, what it has as code within a line, and which fragments its headings have.
type page struct {
	links    []string
	code     []string
	headings map[string]bool
}

func readPage(source []byte) page {
	p := page{headings: make(map[string]bool)}
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := node.(type) {
		case *ast.Link:
			p.links = append(p.links, string(n.Destination))
		case *ast.AutoLink:
			p.links = append(p.links, string(n.URL(source)))
		case *ast.Image:
			p.links = append(p.links, string(n.Destination))
		case *ast.CodeSpan:
			p.code = append(p.code, plainText(n, source))
		case *ast.Heading:
			p.addHeading(plainText(n, source))
		}
		return ast.WalkContinue, nil
	}) // no step returns an error
	return p
}

// addHeading adds a fragment as GitHub makes it: letters and digits in lower case, hyphens in place of spaces, and a
// number where it is there already.
func (p *page) addHeading(heading string) {
	fragment := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, heading)
	unique := fragment
	for n := 1; p.headings[unique]; n++ {
		unique = fragment + "-" + strconv.Itoa(n)
	}
	p.headings[unique] = true
}

func plainText(node ast.Node, source []byte) string {
	var b strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		switch n := child.(type) {
		case *ast.Text:
			b.Write(n.Value(source))
		case *ast.String:
			b.Write(n.Value)
		default:
			b.WriteString(plainText(n, source))
		}
	}
	return b.String()
}

// follow says what is wrong with a link in a file, if anything, and whether it leads to something in this repository.
func follow(pages map[string]page, file, link string) (problem string, relative bool) {
	target, err := url.Parse(link)
	switch {
	case err != nil:
		return "it is no URL", true
	case target.Scheme != "" || target.Host != "":
		return misshapen(target), false
	case strings.HasPrefix(target.Path, "/"):
		return "write it relative to the file", true // as only GitHub understands another
	}
	path := file
	if target.Path != "" {
		path = filepath.ToSlash(filepath.Join(filepath.Dir(file), target.Path))
	}
	if !filepath.IsLocal(path) {
		return "it leads out of the repository", true
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "there is no " + path, true
	case target.Fragment == "":
		return "", true
	case info.IsDir():
		return path + " has no headings", true
	}
	if p, known := pages[path]; !known || !p.headings[target.Fragment] {
		return path + " has no heading #" + target.Fragment, true
	}
	return "", true
}

// misshapen says what is wrong with a link to somewhere else, which no test follows.
func misshapen(target *url.URL) string {
	switch {
	case target.Scheme == "mailto":
		return ""
	case target.Scheme != "https":
		return "write it with https://"
	case target.User != nil || target.Port() != "" || !strings.Contains(target.Hostname(), ".") || net.ParseIP(target.Hostname()) != nil:
		return "it leads to no host that everybody can reach"
	default:
		return ""
	}
}

// TestNamesInDocumentationForDevelopers looks for each file, folder and test that is named for who changes the code.
func TestNamesInDocumentationForDevelopers(t *testing.T) {
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	there := make(map[string]bool)
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "bin" || path == "dist" || path == ".git"):
			return filepath.SkipDir
		}
		there[filepath.ToSlash(path)], there[entry.Name()] = true, true
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		for _, match := range test.FindAllSubmatch(content, -1) {
			there[string(match[1])] = true
		}
		return err
	}))
	name := regexp.MustCompile(`^(Test\w+|[\w.-]+\.(go|md|sql|txtar|caddyfiletest))$`)
	for _, document := range []string{"CONTRIBUTING.md", "docs/architecture.md"} {
		content, err := os.ReadFile(document)
		require.NoError(t, err)
		found := 0
		for _, span := range readPage(content).code {
			if first, _, inFolder := strings.Cut(span, "/"); inFolder && there[first] || name.MatchString(span) {
				assert.True(t, there[span], "%s: there is no %s", document, span)
				found++
			}
		}
		assert.Greater(t, found, 10, document)
	}
}

// TestMessagesInTroubleshooting looks for each message that the page explains in the code, but
// for those of registries and clients.
func TestMessagesInTroubleshooting(t *testing.T) {
	var code strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "bin" || path == "e2e" || path == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		code.Write(content)
		return err
	}))
	others := []string{
		"login attempt to ", "error parsing HTTP ", "dial tcp ", "no such host", "i/o timeout", "http: server gave HTTP response to HTTPS client",
		"x509: ", "denied: ", "unauthorized", "manifest unknown", "not found", "invalid status code from registry ", "413 ", "http://",
		"token from untrusted issuer: ", "token intended for another audience", "unable to verify certificate chain: ", "token not to be used ", "token signed by untrusted key with ID",
	}
	content, err := os.ReadFile("docs/troubleshooting.md")
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(string(content)) {
		cell, isRow := strings.CutPrefix(line, "| `")
		if !isRow {
			continue
		}
		cell, _, _ = strings.Cut("`"+cell, " | ")
		for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			if slices.ContainsFunc(others, func(prefix string) bool { return strings.HasPrefix(match[1], prefix) }) || strings.HasPrefix(match[1], "… ") {
				continue
			}
			for part := range strings.SplitSeq(match[1], "…") {
				part = strings.TrimSpace(strings.Trim(part, `"`))
				part = strings.TrimSuffix(part, " (401 Unauthorized)") // which the client adds
				if part != "" {
					assert.Contains(t, code.String(), part, "no error says this: %s", match[1])
					found++
				}
			}
		}
	}
	assert.Greater(t, found, 15)
}
