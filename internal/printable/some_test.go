package printable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSome(t *testing.T) {
	for names, want := range map[string]string{
		"":              "",
		"a":             "a",
		"a b c d e":     "a, b, c, d, e",
		"a b c d e f":   "a, b, c, d, e and 1 more",
		"a b c d e f g": "a, b, c, d, e and 2 more",
	} {
		assert.Equal(t, want, Some(strings.Fields(names)), names)
	}
}
