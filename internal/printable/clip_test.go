package printable

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestClip(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {"", ""},
		"longest":           {strings.Repeat("a", 128), strings.Repeat("a", 128)},
		"one more":          {strings.Repeat("a", 129), strings.Repeat("a", 128) + "…"},
		"two bytes each":    {strings.Repeat("ä", 200), strings.Repeat("ä", 64) + "…"},
		"cut after one":     {"a" + strings.Repeat("ä", 200), "a" + strings.Repeat("ä", 63) + "…"},
		"three bytes each":  {strings.Repeat("東", 200), strings.Repeat("東", 42) + "…"},
		"four bytes each":   {"abc" + strings.Repeat("🐳", 200), "abc" + strings.Repeat("🐳", 31) + "…"},
		"bytes that are no": {"\xff" + strings.Repeat("\x80", 200), "\xff" + strings.Repeat("\x80", 123) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Clip(c.in)
			assert.Equal(t, c.want, got)
			assert.LessOrEqual(t, len(strings.TrimSuffix(got, "…")), 128)
		})
	}
}

func TestClipTo(t *testing.T) {
	for most := range 9 {
		got := ClipTo("🐳ä🐳", most)
		assert.True(t, utf8.ValidString(got), "%d: %q", most, got)
		assert.LessOrEqual(t, len(strings.TrimSuffix(got, "…")), most)
	}
	assert.Equal(t, "🐳ä🐳", ClipTo("🐳ä🐳", 10))
	assert.Equal(t, "…", ClipTo("ä", 0))
}
