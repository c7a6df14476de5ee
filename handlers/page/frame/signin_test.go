package frame

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
	} {
		assert.Equal(t, want, nextPage(next), "%q", next)
	}
}
