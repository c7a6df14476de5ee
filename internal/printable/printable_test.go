package printable

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNothingSteersTheTerminal(t *testing.T) {
	for name, test := range map[string]struct{ in, line, text, strip string }{
		"plain":               {"docker/29 (linux)", "docker/29 (linux)", "docker/29 (linux)", "docker/29 (linux)"},
		"other scripts":       {"Müller 東京 ☃ 🐳", "Müller 東京 ☃ 🐳", "Müller 東京 ☃ 🐳", "Müller 東京 ☃ 🐳"},
		"escape sequence":     {"a\x1b[2Jb", "a?[2Jb", "a?[2Jb", "a[2Jb"},
		"C1 control":          {"a\u009b2Jb", "a?2Jb", "a?2Jb", "a2Jb"},
		"delete":              {"a\x7fb", "a?b", "a?b", "ab"},
		"lines and tabs":      {"a\nb\tc\r", "a?b?c?", "a\nb\tc?", "abc"},
		"direction override":  {"a\u202egpj.b", "a?gpj.b", "a?gpj.b", "agpj.b"},
		"direction isolates":  {"\u2066a\u2069\u200f\u061c", "?a???", "?a???", "a"},
		"no width":            {"a\u200bb\u200dc\ufeff", "a?b?c?", "a?b?c?", "abc"},
		"line separators":     {"a\u2028b\u2029c\u0085d", "a?b?c?d", "a?b?c?d", "abcd"},
		"spaces of any kind":  {" a\u00a0b\u3000", " a?b?", " a?b?", "ab"},
		"tags":                {"a\U000e0041b", "a?b", "a?b", "ab"},
		"private use":         {"a\ue000b", "a?b", "a?b", "ab"},
		"no text":             {"a\xff\xfeb", "a??b", "a??b", "ab"},
		"replaced beforehand": {"a\ufffdb", "a?b", "a?b", "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.line, Line(test.in))
			assert.Equal(t, test.text, Text(test.in))
			assert.Equal(t, test.strip, Strip(test.in))
		})
	}
}

func FuzzJSONSaysTheSame(f *testing.F) {
	f.Add("a\u202eb\u2066\U000e0041\x7f\u009b\"\\\n")
	f.Fuzz(func(t *testing.T, s string) {
		document, err := json.Marshal(s)
		require.NoError(t, err)
		escaped := JSON(document)
		var before, after string
		require.NoError(t, json.Unmarshal(document, &before))
		require.NoError(t, json.Unmarshal(escaped, &after), "%s", escaped)
		assert.Equal(t, before, after)
		for _, r := range string(escaped) {
			assert.True(t, Rune(r) || r == '\ufffd', "%q", r)
		}
	})
}
