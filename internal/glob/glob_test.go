package glob

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMatch(t *testing.T) {
	for name, c := range map[string]struct {
		pattern, path string
		want          bool
	}{
		"literal":                            {"a/b", "a/b", true},
		"literal, another":                   {"a/b", "a/c", false},
		"literal, longer":                    {"a/b", "a/b/c", false},
		"within a component":                 {"refs/heads/release-*", "refs/heads/release-1", true},
		"not beyond a slash":                 {"refs/heads/*", "refs/heads/a/b", false},
		"in the middle":                      {"*-b-*", "a-b-c", true},
		"first and last do not overlap":      {"ab*ba", "aba", false},
		"any depth":                          {"refs/**", "refs/heads/a/b", true},
		"any depth, none":                    {"refs/**", "refs", true},
		"any depth, not part of a name":      {"refs/**", "refsx/a", false},
		"between":                            {"a/**/z", "a/b/c/z", true},
		"between, tried again":               {"a/**/z", "a/z/b/z", true},
		"between, missing":                   {"a/**/z", "a/b/c", false},
		"two stars beside others are as one": {"a**b", "axb", true},
		"two stars beside others stay":       {"a**b", "a/b", false},
		"doubled slash":                      {"g/p//f@*", "g/p//f@main", true},
		"everything":                         {"**", "a/b", true},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, Compile(c.pattern).Match(strings.Split(c.path, "/")))
		})
	}
}

func TestLiteral(t *testing.T) {
	for pattern, want := range map[string]struct {
		text          string
		rest          int
		below, within bool
		first, last   string
	}{
		"":      {},
		"a":     {text: "a", first: "a", last: "a"},
		"a/b":   {text: "a/b", first: "a", last: "b"},
		"*":     {rest: 1, within: true},
		"a/*":   {text: "a", rest: 1, within: true, first: "a"},
		"a/b*":  {text: "a", rest: 1, first: "a"},
		"**":    {rest: 1, below: true},
		"a/**":  {text: "a", rest: 1, below: true, first: "a"},
		"a/*/c": {text: "a", rest: 2, first: "a", last: "c"},
	} {
		p := Compile(pattern)
		text, rest := p.Literal()
		assert.Equal(t, want.text, text, pattern)
		assert.Len(t, rest, want.rest, pattern)
		assert.Equal(t, want.below, rest.Below(), pattern)
		assert.Equal(t, want.within, rest.Within(), pattern)
		first, last := p.Ends()
		assert.Equal(t, want.first, first, pattern)
		assert.Equal(t, want.last, last, pattern)
	}
}

func TestWhatStandsBetweenWildcardsIsOnlyCompared(t *testing.T) {
	p := CompileWith("{x}/*", func(text string) string { return strings.ReplaceAll(text, "{x}", "*") }, nil)
	assert.True(t, p.Match([]string{"*", "a"}))
	assert.False(t, p.Match([]string{"b", "a"}))
}
