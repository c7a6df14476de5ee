package frame

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNextPageIsOneOfThese(t *testing.T) {
	for next, want := range map[string]string{
		"":                                 Root,
		"/dockit/credentials":              "/dockit/credentials",
		"/dockit/repositories/a%2Fb?x=%26": "/dockit/repositories/a%2Fb?x=%26",
		"https://evil.example.com":         Root,
		"https://evil.example.com/dockit/": Root,
		"//evil.example.com/dockit/":       Root,
		"///evil.example.com/dockit/":      Root,
		`/\evil.example.com/dockit/`:       Root,
		`/dockit/\evil.example.com`:        Root,
		"/dockit/../../evil":               Root,
		"/dockit/..//evil.example.com":     Root,
		"javascript:alert(1)":              Root,
		"/dockit/\nSet-Cookie: x=y":        Root,
		"/v2/evil/manifests/latest":        Root,
		"/dockitty":                        Root,
		"/dockit/sign-out":                 Root,
		"/dockit/sign-in?next=/dockit/":    Root,
		"/%2fevil.example.com/../dockit/":  Root,
		"/%2fevil.example.com/../dockit/ü": Root,
	} {
		assert.Equal(t, want, nextPage(next), "%q", next)
	}
}

func FuzzNextPage(f *testing.F) {
	for _, next := range []string{"/dockit/keys?x=1#y", "//evil.example.com/dockit/", "/%2fevil.example.com/../dockit/ü", "/dockit/%2e%2e/", `/dockit/\`} {
		f.Add(next)
	}
	base := &url.URL{Scheme: "https", Host: "dockit.example.com", Path: Root}
	f.Fuzz(func(t *testing.T, next string) {
		got := nextPage(next)
		require.True(t, strings.HasPrefix(got, Root), "%q leads to %q", next, got)
		to, err := base.Parse(got)
		require.NoError(t, err, "%q leads to %q", next, got)
		assert.Equal(t, base.Host, to.Host)
		assert.True(t, strings.HasPrefix(to.Path+"/", Root), "%q leads to %q", next, got)
		assert.Equal(t, got, nextPage(got), "it is one of the pages as it is")
	})
}
