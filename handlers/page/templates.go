package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
)

//go:embed templates
var templateFiles embed.FS

// view is what a template is given.
type view struct {
	Title string
	// Problem is what is wrong with what was sent, if anything is.
	Problem *adminapi.Problem
	// Notice says what was done before a redirect.
	Notice string
	// Data is that of the page.
	Data any

	visit *visit
}

// Viewer is who looks, nil for nobody.
func (c *view) Viewer() *Viewer { return c.visit.Viewer }

// Version is that of Dockit.
func (c *view) Version() string { return c.visit.page.config.Version }

// templates are those of every page, with the layout around them.
var templates = sync.OnceValues(func() (map[string]*template.Template, error) {
	base, err := template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	all := make(map[string]*template.Template, len(entries))
	for _, entry := range entries {
		name, isPage := strings.CutSuffix(entry.Name(), ".html")
		if !isPage || name == "layout" {
			continue
		}
		page, err := base.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, path.Join("templates", entry.Name()))
		}
		if err != nil {
			return nil, err
		}
		all[name] = page
	}
	return all, nil
})

func execute(w io.Writer, name string, content *view) error {
	all, err := templates()
	if err != nil {
		return fmt.Errorf("read the templates: %w", err)
	}
	page, found := all[name]
	if !found {
		return fmt.Errorf("no template %s.html", name)
	}
	return page.ExecuteTemplate(w, "layout", content)
}

var functions = template.FuncMap{
	"asset":  assetPath,
	"to":     pathTo,
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"utc":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
	"copy":   func(label, text string) copyable { return copyable{label, text} },
	"empty":  func(what, how, command string) emptiness { return emptiness{what, how, command} },
	"lines":  func(s string) int { return strings.Count(s, "\n") + 1 },
	"clip":   clip,
	"size":   sized,
	"digest": shortDigest,
}

// pathTo is the path of a page, of its parts.
func pathTo(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = url.PathEscape(part)
	}
	return root + strings.Join(escaped, "/")
}

// copyable is a text to copy, with what it is.
type copyable struct{ Label, Text string }

// emptiness is what stands in the place of a list that is empty: what is missing, how
// it comes about, and the command for it.
type emptiness struct{ What, How, Command string }

// clip shortens what a client calls itself.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
