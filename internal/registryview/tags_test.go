package registryview

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registrytest"
)

func namesOf(tags []Tag) []string {
	names := make([]string, len(tags))
	for i, tag := range tags {
		names[i] = tag.Name
	}
	return names
}

// TestNewestTagsFirst guards the order of tags that stand on one page, and what a list
// asks the registry for.
func TestNewestTagsFirst(t *testing.T) {
	registry, r := shown(t)
	registry.PageSize = 2
	old := registry.Image("team/app", "2.0", "2024-01-01T00:00:00Z")
	registry.Image("team/app", "1.1", "2026-01-01T00:00:00Z")
	registry.Image("team/app", "1.0", "2025-01-01T00:00:00Z")
	registry.Image("team/app", "reproducible", "1970-01-01T00:00:00Z")
	registry.Tag("team/app", registrytest.Digest(nil)[:6]+"-"+strings.Repeat("0", 64)+".sig", old)
	alice := viewer(t, "alice", "namespace:team:pull")

	found, err := r.Tags(t.Context(), alice, "team/app", Query{})
	require.NoError(t, err)
	assert.Equal(t, Newest, found.Order)
	assert.Equal(t, []string{"1.1", "1.0", "2.0", "reproducible"}, namesOf(found.Tags))
	assert.Equal(t, 1, found.Belonging, "what belongs to an image is no tag to show")
	require.NoError(t, found.Undated)
	assert.Equal(t, []string{"linux/amd64"}, found.Tags[0].Platforms)
	assert.Equal(t, "2026-01-01T00:00:00Z", found.Tags[0].Created.Format(time.RFC3339))
	assert.True(t, found.Tags[3].Created.IsZero())
	for _, made := range registry.Requests() {
		assert.Equal(t, "alice", made.Subject)
		assert.Equal(t, []registrytest.Access{{Type: "repository", Name: "team/app", Actions: []string{"pull"}}}, made.Access)
	}

	// Leafing through it costs nothing.
	page, err := r.Tags(t.Context(), alice, "team/app", Query{Limit: 3})
	require.NoError(t, err)
	assert.Equal(t, Version, page.Order, "of several pages")
	assert.Equal(t, []string{"2.0", "1.1", "1.0"}, namesOf(page.Tags))
	assert.Equal(t, "1.0", page.Next)
	page, err = r.Tags(t.Context(), alice, "team/app", Query{Limit: 3, After: page.Next})
	require.NoError(t, err)
	assert.Equal(t, []string{"reproducible"}, namesOf(page.Tags))
	assert.Empty(t, page.Next)
	page, err = r.Tags(t.Context(), alice, "team/app", Query{Search: "1."})
	require.NoError(t, err)
	assert.Equal(t, []string{"1.1", "1.0"}, namesOf(page.Tags))
	assert.Empty(t, registry.Requests())
}

// TestWhoMayNotPullSeesNothing guards that a registry is not even asked, and that what
// another viewer looked at is not shown.
func TestWhoMayNotPullSeesNothing(t *testing.T) {
	registry, r := shown(t)
	digest := registry.Image("team/app", "1", "2026-01-01T00:00:00Z")
	registry.Image("other/app", "1", "2026-01-02T00:00:00Z")
	admin := viewer(t, "admin", "repository:**:*")
	_, err := r.Tags(t.Context(), admin, "team/app", Query{})
	require.NoError(t, err)
	_, err = r.Image(t.Context(), admin, "team/app", "1")
	require.NoError(t, err)
	registry.Requests()

	for name, v := range map[string]Viewer{
		"nobody": viewer(t, ""), "another repository": viewer(t, "bob", "repository:other/app:*"),
		"delete alone": viewer(t, "bob", "repository:team/app:delete"), "the same name without rights": viewer(t, "admin"),
	} {
		_, err := r.Tags(t.Context(), v, "team/app", Query{})
		require.ErrorIs(t, err, ErrNotAllowed, name)
		_, err = r.Image(t.Context(), v, "team/app", "1")
		require.ErrorIs(t, err, ErrNotAllowed, name)
		_, err = r.Image(t.Context(), v, "team/app", digest)
		require.ErrorIs(t, err, ErrNotAllowed, name)
		_, err = r.PlanDeletion(t.Context(), v, "team/app", "1")
		require.ErrorIs(t, err, ErrNotAllowed, name)
		require.ErrorIs(t, r.Delete(t.Context(), v, "team/app", "1", registryclient.Digest(digest)), ErrNotAllowed, name)
	}
	assert.Empty(t, registry.Requests())

	// Nor does a digest from elsewhere, which somebody else looked at.
	bob := viewer(t, "bob", "repository:other/app:pull")
	_, err = r.Image(t.Context(), bob, "other/app", digest)
	require.ErrorIs(t, err, registryclient.ErrNotFound)
}

// TestHostileTags guards lists of tags of whatever length and content.
func TestHostileTags(t *testing.T) {
	many := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"tags":["x"`)
		for i := range 600_000 {
			fmt.Fprintf(w, `,"v1.%d"`, i)
		}
		_, _ = io.WriteString(w, `]}`)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		total  int
		cut    bool
		err    error
	}{
		"markup": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"tags":["<b>","a\u202eb","\"onload=x","../x","good",""]}`)
		}, 1, false, nil},
		"hundreds of thousands": {many, maxTags, true, nil},
		"circle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `</v2/a/tags/list?last=b>; rel="next"`)
			_, _ = io.WriteString(w, `{"tags":["b"]}`)
		}, 0, false, registryclient.ErrAnswer},
		"none": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"name":"a","tags":null}`) }, 0, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if strings.HasSuffix(q.URL.Path, "/tags/list") {
					c.answer(w, q)
					return
				}
				w.WriteHeader(http.StatusInternalServerError)
			}))
			t.Cleanup(server.Close)
			found, err := look(t, server.URL).Tags(t.Context(), viewer(t, "admin", "repository:**:*"), "a", Query{})
			require.ErrorIs(t, err, c.err)
			assert.Equal(t, c.total, found.Total)
			assert.Equal(t, c.cut, found.Cut)
			assert.LessOrEqual(t, len(found.Tags), DefaultPage)
			if c.total > 0 {
				require.ErrorIs(t, found.Undated, registryclient.ErrAnswer, "what tags are could not be read")
			}
		})
	}
}

func TestTagListsInMemoryAreBounded(t *testing.T) {
	lists, now := newTagLists(), time.Now()
	long := make([]string, maxTags)
	for i := range long {
		long[i] = fmt.Sprintf("v1.%d", i)
	}
	for i := range 100 {
		lists.add(tagKey{"alice", fmt.Sprint(i)}, &tagList{tags: long, read: now})
		require.LessOrEqual(t, lists.bytes, maxTagListBytes)
	}
	assert.NotNil(t, lists.get(tagKey{"alice", "99"}, now))
	assert.Nil(t, lists.get(tagKey{"alice", "0"}, now))
	assert.Nil(t, lists.get(tagKey{"bob", "99"}, now), "of another viewer")
	assert.Nil(t, lists.get(tagKey{"alice", "99"}, now.Add(tagsFreshFor)), "old")
	lists.forget("98")
	assert.Nil(t, lists.get(tagKey{"alice", "98"}, now))
	for _, key := range lists.lists.Keys() {
		lists.forget(key.repository)
	}
	assert.Zero(t, lists.bytes)
}

// BenchmarkTags lists a page of the tags of a repository with 100,000 of them, as many
// as are looked at, when they were read before.
func BenchmarkTags(b *testing.B) {
	r := look(b, "http://localhost:1")
	admin := viewer(b, "admin", "repository:**:*")
	tags := make([]string, maxTags)
	for i := range tags {
		tags[i] = fmt.Sprintf("v1.%d.%d", i/100, i%100)
	}
	slices.SortFunc(tags, byVersion)
	// What they are was found out for an earlier viewer of the page.
	l := &tagList{tags: tags, read: time.Now().Add(time.Hour), resolved: map[string]registryclient.Digest{}}
	digest := registryclient.Digest(registrytest.Digest(nil))
	for _, tag := range tags {
		l.resolved[tag] = digest
	}
	r.images.manifests.Add(contentKey{"a", digest}, &registryclient.Manifest{Digest: digest})
	r.tags.add(tagKey{"admin", "a"}, l)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		_, _ = r.Tags(b.Context(), admin, "a", Query{After: "v1.500.50", Search: "v1"})
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
