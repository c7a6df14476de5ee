package frame

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

//go:embed templates
var templateFiles embed.FS

// View is what a template is given.
type View struct {
	Title string
	// Problem is what is wrong with what was sent, if anything is.
	Problem *adminapi.Problem
	// Notice says what was done before a redirect.
	Notice string
	// Data is that of the page.
	Data any

	visit *Visit
}

// Viewer is who looks, nil without a session.
func (c *View) Viewer() *Viewer { return c.visit.Viewer }

// Version is that of Dockit.
func (c *View) Version() string { return c.visit.page.Version }

// Templates are the pages of a room, with the layout around them.
type Templates func() (map[string]*template.Template, error)

// TemplatesOf reads what stands below templates: a page in each file, which defines
// content, and below parts what they have in common. That is done once, when the first
// page is shown.
func TemplatesOf(files fs.FS) Templates {
	return sync.OnceValues(func() (map[string]*template.Template, error) {
		base, err := template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html")
		if err != nil {
			return nil, err
		}
		if parts, _ := fs.Glob(files, "templates/parts/*.html"); len(parts) > 0 {
			if base, err = base.ParseFS(files, parts...); err != nil {
				return nil, err
			}
		}
		pages, err := fs.Glob(files, "templates/*.html")
		if err != nil {
			return nil, err
		}
		all := make(map[string]*template.Template, len(pages))
		for _, file := range pages {
			page, err := base.Clone()
			if err == nil {
				page, err = page.ParseFS(files, file)
			}
			if err != nil {
				return nil, err
			}
			all[strings.TrimSuffix(path.Base(file), ".html")] = page
		}
		return all, nil
	})
}

// own are those of sessions and passwords.
var own = TemplatesOf(templateFiles)

// AddTemplates adds the pages of a room.
func (h *Handler) AddTemplates(room Templates) { h.rooms = append(h.rooms, room) }

// execute writes a page by the name of its template.
func (h *Handler) execute(w io.Writer, name string, content *View) error {
	for _, room := range h.rooms {
		pages, err := room()
		if err != nil {
			return fmt.Errorf("read the templates: %w", err)
		}
		if page, found := pages[name]; found {
			return page.ExecuteTemplate(w, "layout", content)
		}
	}
	return fmt.Errorf("no template %s.html", name)
}

var functions = template.FuncMap{
	"asset":  assetPath,
	"to":     pathTo,
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"utc":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
	"copy":   func(label, text string) Copyable { return Copyable{Label: label, Text: text} },
	"about":  func(label, name, text string) Copyable { return Copyable{Label: label, Name: name, Text: text} },
	"empty":  func(what, how, command string) emptiness { return emptiness{what, how, command} },
	"tabs":   func(ref subject.Ref, here string) tabs { return tabs{ref, here} },
	"lines":  func(s string) int { return strings.Count(s, "\n") + 1 },
	"clip":   clip,
	"size":   sized,
	"digest": ShortDigest,
}

// pathTo is the path of a page, of its parts.
func pathTo(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = url.PathEscape(part)
	}
	return Root + strings.Join(escaped, "/")
}

// Copyable is a text to copy, with what it is. Who hears the page, and not what stands
// above the text, is told its name as well.
type Copyable struct{ Label, Text, Name string }

// emptiness is what stands in the place of a list that is empty: what is missing, how
// it comes about, and the command for it.
type emptiness struct{ What, How, Command string }

// tabs are the pages of a subject, of which Here is shown: overview, permissions or
// credentials.
type tabs struct {
	Ref  subject.Ref
	Here string
}

// clip shortens what a client calls itself.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
