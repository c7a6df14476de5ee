package opaque

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixed is a token that never changes: what was handed out once stays valid.
const fixed = "dockit_abcdefghij23_abcdefghijklmnopqrstuvwxyz234567dieiifg"

func TestForm(t *testing.T) {
	for kind, form := range map[Kind]string{
		Access:  `^dockit_[a-z2-7]{12}_[a-z2-7]{39}$`,
		Refresh: `^dockitrefresh_[a-z2-7]{12}_[a-z2-7]{39}$`,
	} {
		token := New(kind)
		text := token.Reveal()
		assert.True(t, regexp.MustCompile(form).MatchString(text), "%s does not match %s", text, form)
		assert.Equal(t, kind, token.Kind())
	}
}

func TestParse(t *testing.T) {
	swapped := strings.Replace(fixed, "ab", "ba", 1)
	for _, tc := range []struct {
		name, text string
		id         string
		err        error
	}{
		{"handed out before", fixed, "abcdefghij23", nil},
		{"empty", "", "", errNoToken},
		{"password", "correct horse battery", "", errNoToken},
		{"password with underscores", "dockit_is_great", "", errNoToken},
		{"cut", fixed[:len(fixed)-1], "", errNoToken},
		{"too long", fixed + "a", "", errNoToken},
		{"line feed", fixed + "\n", "", errNoToken},
		{"capitals", strings.ToUpper(fixed), "", errNoToken},
		{"mistyped secret", strings.Replace(fixed, "mnop", "mnpo", 1), "", errNoToken},
		{"mistyped id", swapped, "", errNoToken},
		{"another kind", "dockitrefresh" + strings.TrimPrefix(fixed, "dockit"), "", errNoToken},
		{"unknown kind", "docker" + strings.TrimPrefix(fixed, "dockit"), "", errNoToken},
		{"no id", "dockit_" + fixed[len(fixed)-39:], "", errNoToken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, err := Parse(tc.text)
			require.ErrorIs(t, err, tc.err, "Parse = %v", token)
			require.Equal(t, tc.id, token.ID(), "Parse = %v", token)
			if err == nil {
				require.Equal(t, tc.text, token.Reveal())
			}
		})
	}
}

func TestHash(t *testing.T) {
	one := New(Access)
	again, err := Parse(one.Reveal())
	require.NoError(t, err)
	assert.True(t, again.Matches(one.Hash()), "a token does not match its own hash")
	for name, other := range map[string]Token{
		"another token":          New(Access),
		"another secret":         WithNewSecret(Access, one.ID()),
		"the same of other kind": {Refresh, one.id, one.secret},
	} {
		assert.False(t, other.Matches(one.Hash()), "%s matches", name)
	}
	for name, hash := range map[string][]byte{"no hash": nil, "half a hash": one.Hash()[:16]} {
		assert.False(t, one.Matches(hash), "%s matches", name)
	}
}

func TestPrintedWithoutSecret(t *testing.T) {
	token := New(Refresh)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{token, &token, struct{ Inner Token }{token}} {
			assert.NotContains(t, fmt.Sprintf(verb, value), token.secret, "%s of %T shows the secret", verb, value)
		}
	}
}

func TestValidateID(t *testing.T) {
	require.NoError(t, ValidateID(New(Access).ID()))
	for _, id := range []string{"", "17", "ABCDEFGHIJKL", "abcdefghijk1", "abcdefghij-2", fixed} {
		err := ValidateID(id)
		require.ErrorIs(t, err, errID, "ValidateID(%q)", id)
		if err != nil {
			assert.NotContains(t, err.Error(), fixed[20:], "the error repeats a secret: %v", err)
		}
	}
}

func TestNewIsRandom(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 1000 {
		token := New(Access)
		require.False(t, seen[token.id], "made twice: %s", token)
		require.False(t, seen[token.secret], "made twice: %s", token)
		seen[token.id], seen[token.secret] = true, true
		for _, letter := range token.secret {
			letters[letter] = true
		}
	}
	assert.Len(t, letters, len(alphabet), "secrets use %d letters of %d", len(letters), len(alphabet))
}

func FuzzParse(f *testing.F) {
	f.Add(fixed)
	f.Add("dockitrefresh_" + fixed[7:])
	f.Add("dockit__")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			require.Equal(t, Token{}, token, "an error with a token")
			return
		}
		require.Equal(t, text, token.Reveal(), "Parse(%q).Reveal()", text)
		require.NoError(t, ValidateID(token.ID()))
	})
}
