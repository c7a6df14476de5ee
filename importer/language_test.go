package importer

import (
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustLanguage(t testing.TB, expression string) *language {
	t.Helper()
	l, err := newLanguage(expression)
	require.NoError(t, err)
	return l
}

func (l *language) has(name string) bool {
	var s int
	for i := range len(name) {
		s = l.step(s, name[i])
	}
	return l.accepts(s)
}

func TestLanguageIsThatOfRegexp(t *testing.T) {
	expressions := []string{
		``, `a`, `^a`, `a$`, `^a$`, `^(a|b/c)*$`, `(?i)^TEAM/`, `^[^/]+/[^/]+$`, `\bapp\b`, `^a.*b$`, `^$`, `a{2,3}`, `(^|/)b($|/)`,
		`^(?:[a-z0-9]+/)*x$`, `.`, `a\z|\Ab`, `\Bb`, `[^a]`, `a+?b*?`, nobody,
	}
	names := []string{"", "a", "b", "ab", "aa", "aaa", "aaaa", "a/b", "b/c", "b/cb/c", "team/a", "my-app", "myapp", "app", "x/app/y", "x", "a/x", "A", "cb"}
	for _, expression := range expressions {
		l, reference := mustLanguage(t, expression), regexp.MustCompile(expression)
		for _, name := range names {
			assert.Equal(t, reference.MatchString(name), l.has(name), "%q in %q", name, expression)
		}
	}
}

func TestGlobIsThatOfPath(t *testing.T) {
	alphabet := []string{"a", "b", "/", "*", "?", "[", "]", "^", "-", `\`, ".", "[ab]", "[^a]", "[a-b]", "**", "é"}
	names := []string{"", "a", "b", "ab", "a/b", "aa/b", "a.b", "a-b", "*", "?", "[", "]", "^", "-", `\`, "a*", "b/a", "//", "ba", "c"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var glob strings.Builder
		for range r.IntN(6) {
			glob.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		expression, exact := globExpression(glob.String())
		l := mustLanguage(t, expression)
		for _, name := range names {
			want, err := path.Match(glob.String(), name)
			want = want && err == nil
			if exact || want {
				require.Equal(t, want, l.has(name), "%q in %q", name, glob.String())
			}
		}
	}
}

func TestWithinAndMeets(t *testing.T) {
	const alphabet = "abxy/"
	all := mustLanguage(t, `^[abxy]+(/[abxy]+)*$`)
	for _, tc := range []struct {
		a, b          string
		within, meets bool
	}{
		{`^a/[^/]*$`, `^a/`, true, true},
		{`^a/`, `^a/[^/]*$`, false, true},
		{`^a$`, `^b$`, false, false},
		{`^a/.*$`, `.`, true, true},
		{`.`, `^[abxy/]*$`, true, true},
		{`a`, `b`, false, true},
		{nobody, `^a$`, true, false},
		{`^//$`, `^a$`, true, false}, // no name of all
	} {
		a, b := mustLanguage(t, tc.a), mustLanguage(t, tc.b)
		ok, example := within(alphabet, all, a, b)
		assert.Equal(t, tc.within, ok, "%q within %q", tc.a, tc.b)
		assert.Equal(t, ok, example == "", "%q is in %q and not in %q", example, tc.a, tc.b)
		ok, example = meets(alphabet, all, a, b)
		assert.Equal(t, tc.meets, ok, "%q meets %q", tc.a, tc.b)
		assert.Equal(t, ok, example != "")
	}
}

func TestLanguageIsBounded(t *testing.T) {
	_, err := newLanguage(strings.Repeat("a", maxExpression+1))
	require.Error(t, err)
	_, err = newLanguage("^(a{900}|b{900}|c{900})$")
	require.Error(t, err)
	_, err = newLanguage("(")
	require.Error(t, err)
	// The states of this one double with every dot.
	wide := mustLanguage(t, "a"+strings.Repeat("[ab]", 20)+"$")
	all := mustLanguage(t, ".")
	ok, _ := within("ab", all, wide, mustLanguage(t, "[ab]"+strings.Repeat("[ab]", 20)+"$"))
	assert.False(t, ok, "not sure is no")
	ok, _ = meets("ab", all, wide, mustLanguage(t, "b"+strings.Repeat("[ab]", 20)+"$"))
	assert.True(t, ok, "not sure is yes")
}
