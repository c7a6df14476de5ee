package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/internal/printable"
)

func FuzzYAMLSaysTheSame(f *testing.F) {
	f.Add("a\u202eb\u2066\U000e0041\x7f\u009b\"\\\n", "plain")
	f.Add("two\nlines\u202e", " # : - ")
	f.Add("\u2028\ufeff\u00a0\u0085", "\u202e: x")
	f.Add("\u202e", "123")
	f.Add("\u202e", "Y")
	f.Fuzz(func(t *testing.T, one, other string) {
		one, other = strings.ToValidUTF8(one, ""), strings.ToValidUTF8(other, "") // JSON knows no other text
		before := map[string]any{"list": []any{one, map[string]any{"name": other, "admin": true}}, "key": one, "number": "7"}
		escaped, err := printableYAML(before)
		require.NoError(t, err)
		var after map[string]any
		require.NoError(t, yaml.Unmarshal(escaped, &after), "%s", escaped)
		assert.Equal(t, before, after, "%s", escaped)
		for _, r := range string(escaped) {
			assert.True(t, r == '\n' || printable.Rune(r) || r == '\ufffd', "%q", r)
		}
	})
}
