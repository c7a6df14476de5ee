package repositories

import (
	"net/http"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// repositoriesData is what the page of repositories shows.
type repositoriesData struct {
	place
	registryview.Repositories
	Search string
	// First is set on the first page.
	First  bool
	Reason string
	// Setting is how api-server is told where the registry is.
	Setting string
}

func (h *pages) showRepositories(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	data := repositoriesData{place: p, Setting: frame.Quoted(p.Service + "=http://registry:5000")}
	if p.HasRegistry {
		query := v.URL.Query()
		data.Search, data.First = query.Get("q"), query.Get("after") == ""
		data.Repositories = p.registry.Repositories(v.Context(), p.viewer, registryview.Query{Search: data.Search, After: query.Get("after")})
		data.Reason = p.reason(v, data.Err)
	}
	return v.Render("repositories", "Repositories", data)
}

// tagsData is what the page of a repository shows.
type tagsData struct {
	place
	registryview.Tags
	Search  string
	First   bool
	Undated string
	// MayDelete is set for who may delete here.
	MayDelete bool
	Mine      mine
}

func (h *pages) showRepository(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	if !p.HasRegistry {
		return p.unplaced()
	}
	mine, err := h.mine(v, p)
	if err != nil {
		return err
	}
	data := tagsData{place: p, Mine: mine, Search: v.URL.Query().Get("q"), First: v.URL.Query().Get("after") == "", MayDelete: p.viewer.MayDelete(p.Name)}
	if !mine.May("pull") {
		return v.Answer(http.StatusForbidden, "access", frame.View{Title: "You may not see " + p.Name, Data: accessData{place: p, Mine: mine}})
	}
	data.Tags, err = p.registry.Tags(v.Context(), p.viewer, p.Name, registryview.Query{Search: data.Search, After: v.URL.Query().Get("after")})
	if err != nil {
		return p.trouble(v, err)
	}
	data.Undated = p.reason(v, data.Tags.Undated)
	return v.Render("repository", p.Name, data)
}

// Newest is the tag that the page gives as an example.
func (d tagsData) Newest() string {
	if len(d.Tags.Tags) == 0 {
		return ""
	}
	return d.Tags.Tags[0].Name
}

// ByVersion reports whether the tags are in the order of versions.
func (d tagsData) ByVersion() bool { return d.Order == registryview.Version }

// imageData is what the page of an image shows.
type imageData struct {
	place
	*registryview.Image
	MayDelete bool
	// Notes are what could not be read, and why.
	Notes []string
}

func (h *pages) showImage(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	if !p.HasRegistry {
		return p.unplaced()
	}
	query := v.URL.Query()
	reference := query.Get("tag")
	if reference == "" {
		reference = query.Get("digest")
	}
	image, err := p.registry.Image(v.Context(), p.viewer, p.Name, reference)
	if err != nil {
		return p.trouble(v, err)
	}
	data := imageData{place: p, Image: image, MayDelete: image.Tag != "" && p.viewer.MayDelete(p.Name)}
	for _, missing := range image.Missing {
		data.Notes = append(data.Notes, missing.What+": "+p.reason(v, missing.Err))
	}
	title := p.Name + ":" + image.Tag
	if image.Tag == "" {
		title = p.Name + "@" + frame.ShortDigest(image.Digest)
	}
	return v.Render("image", title, data)
}

// Reference is the image as docker takes it: by its tag, or by its digest.
func (d imageData) Reference() string {
	if d.Tag != "" {
		return d.Host + "/" + d.Name + ":" + d.Tag
	}
	return d.Exactly()
}

// Exactly is the image by its digest, which is always the same.
func (d imageData) Exactly() string { return d.Host + "/" + d.Name + "@" + string(d.Digest) }
