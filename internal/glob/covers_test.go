package glob

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, other string
		want           bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/*", false},
		{"a/*", "a/b", true},
		{"a/*", "a/*", true},
		{"a/*", "a/b*", true},
		{"a/b*", "a/*", false},
		{"a/*c*", "a/b*c", true},
		{"a/*c*", "a/b*d", false},
		{"a/*", "a/**", false},
		{"a/*", "a/b/c", false},
		{"a/**", "a/*", true},
		{"a/**", "a", true},
		{"a/**", "a/**", true},
		{"a/**", "a/**/z", true},
		{"a/**", "a/b/**", true},
		{"a/b/**", "a/**", false},
		{"a/**/z", "a/**", false},
		{"a/**/z", "a/**/z", true},
		{"a/**/z", "a/*/y/z", true},
		{"a/**/*", "a/**/z", true},
		{"**", "**", true},
		{"**", "a/*/b", true},
		{"*", "**", false},
	} {
		assert.Equal(t, c.want, Compile(c.pattern).Covers(Compile(c.other)), "%s covers %s", c.pattern, c.other)
	}
	variable := func(text string) Pattern {
		return CompileWith(text, nil, func(part string) string {
			name, is := strings.CutPrefix(part, "$")
			if !is {
				return ""
			}
			return name
		})
	}
	assert.True(t, variable("a/$x").Covers(variable("a/$x")))
	assert.True(t, variable("a/*").Covers(variable("a/$x")), "whatever it stands for")
	assert.False(t, variable("a/$x").Covers(variable("a/$y")))
	assert.False(t, variable("a/$x").Covers(variable("a/*")))
	assert.False(t, variable("a/b*").Covers(variable("a/$x")))
}

// FuzzCovers guards that what is covered is matched.
func FuzzCovers(f *testing.F) {
	f.Add("a/**/*b", "a/*/cb", "a/x/cb")
	f.Fuzz(func(t *testing.T, pattern, other, path string) {
		p, o := Compile(pattern), Compile(other)
		if components := strings.Split(path, "/"); p.Covers(o) && o.Match(components) {
			assert.True(t, p.Match(components), "%q covers %q, and does not match %q", pattern, other, path)
		}
	})
}
