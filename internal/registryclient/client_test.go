package registryclient

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// of is a client of a registry that answers by f.
func of(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	c := New(Config{URL: u})
	t.Cleanup(c.Close)
	return c
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const someDigest = Digest("sha256:0000000000000000000000000000000000000000000000000000000000000000")

// TestHostileAnswers guards that nothing that a registry answers is more than an
// error, or a shorter list.
func TestHostileAnswers(t *testing.T) {
	long := `"` + strings.Repeat("a", maxPage)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		ask    func(*testing.T, *Client) error
		is     error
		says   string
	}{
		"catalog without an end":  {says(200, `{"repositories":[`+long), catalogOf, ErrAnswer, "longer than"},
		"catalog that is no JSON": {says(200, `<html>`), catalogOf, ErrAnswer, "no JSON"},
		"catalog that is a list":  {says(200, `["a"]`), catalogOf, ErrAnswer, "no JSON"},
		"catalog of numbers":      {says(200, `{"repositories":[1]}`), catalogOf, ErrAnswer, "something else"},
		"catalog that is a text":  {says(200, `{"repositories":"a"}`), catalogOf, ErrAnswer, "no list"},
		"catalog that breaks off": {says(200, `{"repositories":["a"`), catalogOf, ErrAnswer, "breaks off"},
		"depth":                   {says(200, `{"x":`+strings.Repeat("[", 100_000)), catalogOf, ErrAnswer, ""},
		"depth that ends":         {says(200, `{"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,"repositories":[]}`), catalogOf, ErrAnswer, "nested too deep"},
		"error with escapes":      {says(500, `{"errors":[{"code":"X","message":"\u001b[2J\u202egpj"}]}`), catalogOf, ErrAnswer, "?[2J?gpj"},
		"error without an end":    {says(500, strings.Repeat("a", 1<<20)), catalogOf, ErrAnswer, "status 500"},
		"token refused":           {says(401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`), catalogOf, ErrDenied, "UNAUTHORIZED authentication required"},
		"not there":               {says(404, ``), catalogOf, ErrNotFound, "/v2/_catalog"},
		"deletes off":             {says(405, ``), func(t *testing.T, c *Client) error { return c.Delete(t.Context(), "", "a", someDigest) }, ErrUnsupported, "405"},
		"manifest of another digest": {says(200, `{}`), func(t *testing.T, c *Client) error {
			_, err := c.Manifest(t.Context(), "", "a", someDigest)
			return err
		}, ErrAnswer, "another digest"},
		"configuration of another digest": {says(200, `{}`), func(t *testing.T, c *Client) error {
			_, err := c.Config(t.Context(), "", "a", someDigest)
			return err
		}, ErrAnswer, "another digest"},
		"manifest without an end": {says(200, strings.Repeat(" ", maxManifest+1)), func(t *testing.T, c *Client) error {
			_, err := c.Manifest(t.Context(), "", "a", someDigest)
			return err
		}, ErrAnswer, "longer than"},
		"link to another list":  {linking("/v2/b/tags/list?n=1"), tagsOf, ErrAnswer, "another list"},
		"link without a query":  {linking("/v2/a/tags/list"), tagsOf, ErrAnswer, "to the first one"},
		"link that is too long": {linking("/v2/a/tags/list?last=" + strings.Repeat("a", maxCursor)), tagsOf, ErrAnswer, "no link"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.ask(t, of(t, c.answer))
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 1000)
		})
	}
}

func catalogOf(t *testing.T, c *Client) error {
	_, err := c.Repositories(t.Context(), "", "")
	return err
}

func tagsOf(t *testing.T, c *Client) error {
	_, err := c.Tags(t.Context(), "", "a", "")
	return err
}

func linking(target string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "<"+target+`>; rel="next"`)
		_, _ = io.WriteString(w, `{"tags":["a"]}`)
	}
}

// TestNothingLeadsElsewhere guards that a token goes to the registry alone: neither a
// redirect nor a link makes another host be asked.
func TestNothingLeadsElsewhere(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)

	for _, status := range []int{301, 302, 303, 307, 308} {
		c := of(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		})
		_, err := c.Config(t.Context(), "secret", "a", someDigest)
		require.ErrorIs(t, err, ErrRedirected, status)
	}
	c := of(t, linking(other.URL+"/v2/a/tags/list?last=a&n=1"))
	page, err := c.Tags(t.Context(), "secret", "a", "")
	require.NoError(t, err)
	assert.Equal(t, "last=a&n=1", page.Next, "of a link the query counts")
	_, err = c.Tags(t.Context(), "secret", "a", page.Next)
	require.NoError(t, err)
	assert.Zero(t, elsewhere.Load(), "requests at another host")
}

func TestRedirectsOnTheSameHost(t *testing.T) {
	c := of(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/_catalog" {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		assert.Equal(t, "Bearer token", r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"repositories":["a"]}`)
	})
	page, err := c.Repositories(t.Context(), "token", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, page.Names)

	c = of(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	require.ErrorContains(t, catalogOf(t, c), "again and again")
	c = of(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) })
	require.Error(t, c.Delete(t.Context(), "", "a", someDigest), "a delete follows nothing")
}

// TestManyNamesAreCut guards a page of more names than are read, however short.
func TestManyNamesAreCut(t *testing.T) {
	page, err := of(t, says(200, `{"repositories":[`+strings.Repeat(`"",`, maxPageNames+1))).Repositories(t.Context(), "", "")
	require.NoError(t, err)
	assert.Len(t, page.Names, maxPageNames)
}

// TestSmallerPages guards registries that refuse pages as large as are asked for.
func TestSmallerPages(t *testing.T) {
	c := of(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "":
			w.Header().Set("Link", `</v2/_catalog?last=b&n=2>; rel="next"`)
			_, _ = io.WriteString(w, `{"repositories":["a","b"]}`)
		case "last=b&n=2":
			_, _ = io.WriteString(w, `{"other":{"repositories":[1]},"repositories":null}`)
		default:
			says(400, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`)(w, r)
		}
	})
	page, err := c.Repositories(t.Context(), "", "")
	require.NoError(t, err)
	assert.Equal(t, Page{Names: []string{"a", "b"}, Next: "last=b&n=2"}, page)
	page, err = c.Repositories(t.Context(), "", page.Next)
	require.NoError(t, err)
	assert.Equal(t, Page{}, page)
}

// TestTextsCanBeShown guards that what an image says of itself is short, on one line
// and what it looks like; markup stays text.
func TestTextsCanBeShown(t *testing.T) {
	document := `{"mediaType":"<b>","artifactType":7,"config":{"digest":"../../x","size":-1},
		"annotations":{"b":"\u202egpj","<script>":"alert(1)","c":{"no":"text"},"a":"` + strings.Repeat("ä", 4000) + `"},
		"layers":[` + strings.Repeat(`{"size":9223372036854775807},`, 5000) + `{}],"manifests":"none"}`
	digest := digestOf(document)
	m, err := of(t, says(200, document)).Manifest(t.Context(), "", "a", digest)
	require.NoError(t, err)
	assert.Equal(t, Text("<b>"), m.MediaType)
	assert.Empty(t, m.ArtifactType)
	assert.Empty(t, m.Config.Digest)
	assert.Zero(t, m.Config.Size)
	assert.Len(t, m.Layers, maxList)
	assert.EqualValues(t, maxSize, m.Layers[0].Size)
	require.Len(t, m.Annotations, 4)
	assert.Equal(t, Annotation{"<script>", "alert(1)"}, m.Annotations[0])
	assert.Equal(t, Text(strings.Repeat("ä", 512)+"…"), m.Annotations.Get("a"))
	assert.Equal(t, Text("?gpj"), m.Annotations.Get("b"))
	assert.Empty(t, m.Annotations.Get("c"))
}

func TestManyAnnotationsAreCut(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	document := `{"annotations":{` + b.String() + `"x":""}}`
	m, err := of(t, says(200, document)).Manifest(t.Context(), "", "a", digestOf(document))
	require.NoError(t, err)
	assert.Len(t, m.Annotations, maxAnnotations)
	assert.Less(t, m.Weight(), 100_000)
}

func TestTimes(t *testing.T) {
	for text, want := range map[Text]string{
		"2026-11-27T20:00:00+01:00": "2026-11-27T19:00:00Z",
		"1970-01-01T00:00:00Z":      "",
		"0001-01-01T00:00:00Z":      "",
		"1980-01-01T00:00:00Z":      "",
		"yesterday":                 "",
		"":                          "",
	} {
		got := ""
		if read := ParseTime(text); !read.IsZero() {
			got = read.Format("2006-01-02T15:04:05Z07:00")
		}
		assert.Equal(t, want, got, text)
	}
}

func TestReferrersOfRegistriesWithoutAList(t *testing.T) {
	index := `{"mediaType":"` + typeIndex + `","manifests":[{"digest":"` + string(someDigest) + `","artifactType":"application/spdx+json"},{"digest":"no"}]}`
	c := of(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/a/manifests/" + someDigest.Tag(), "/v2/a/manifests/" + string(digestOf(index)):
			w.Header().Set("Docker-Content-Digest", string(digestOf(index)))
			_, _ = io.WriteString(w, index)
		default:
			http.NotFound(w, r)
		}
	})
	found, err := c.Referrers(t.Context(), "", "a", someDigest)
	require.NoError(t, err)
	require.Len(t, found.Manifests, 1)
	assert.Equal(t, Text("application/spdx+json"), found.Manifests[0].ArtifactType)

	found, err = c.Referrers(t.Context(), "", "a", digestOf(""))
	require.NoError(t, err)
	assert.Empty(t, found.Manifests, "none is no error")
}

// TestReferrersThatGoOn guards a list of referrers whose links have no end.
func TestReferrersThatGoOn(t *testing.T) {
	asked := 0
	c := of(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Link", fmt.Sprintf(`<%s?at=%d>; rel=next`, r.URL.Path, asked))
		_, _ = io.WriteString(w, `{"manifests":[{"digest":"`+string(someDigest)+`"}]}`)
	})
	found, err := c.Referrers(t.Context(), "", "a", someDigest)
	require.NoError(t, err)
	assert.True(t, found.Cut)
	assert.Equal(t, maxReferrerPages, asked)
}

// TestDigestThatIsNotSaid guards registries that do not say the digest of a tag.
func TestDigestThatIsNotSaid(t *testing.T) {
	found, err := of(t, says(200, `{"x":1}`)).Resolve(t.Context(), "", "a", "latest")
	require.NoError(t, err)
	assert.Equal(t, digestOf(`{"x":1}`), found.Digest)
}

func TestRegistryThatIsAway(t *testing.T) {
	server := httptest.NewServer(says(200, ""))
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	server.Close()
	_, err = New(Config{URL: u}).Resolve(t.Context(), "", "a", "latest")
	require.ErrorIs(t, err, ErrAway)
	assert.ErrorContains(t, err, u.Host)
}

func TestNamesOfTagsAndDigests(t *testing.T) {
	for name, want := range map[string]bool{
		"latest": true, "v1.2.3-rc.1_x": true, "_": true, strings.Repeat("a", 128): true,
		"": false, ".a": false, "-a": false, "a/b": false, "a b": false, "a\n": false, "ä": false, "<b>": false, strings.Repeat("a", 129): false, "..": false,
	} {
		assert.Equal(t, want, IsTag(name), "%q", name)
	}
	for name, want := range map[string]bool{
		string(someDigest): true, "sha512:" + strings.Repeat("a", 128): true,
		"sha256:" + strings.Repeat("A", 64): false, "sha256:" + strings.Repeat("a", 63): false, "md5:" + strings.Repeat("a", 32): false, string(someDigest) + "\n": false,
	} {
		_, ok := ParseDigest(name)
		assert.Equal(t, want, ok, "%q", name)
	}
	assert.Equal(t, "sha256-"+strings.Repeat("0", 64), someDigest.Tag())
	assert.Len(t, Digest("sha512:"+strings.Repeat("a", 128)).Tag(), len("sha512-")+64)
}
