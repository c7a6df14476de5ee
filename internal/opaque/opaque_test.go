package opaque

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// fixed is a token that never changes: what was handed out once stays valid.
const fixed = "dockit_abcdefghij23_abcdefghijklmnopqrstuvwxyz234567dieiifg"

func TestForm(t *testing.T) {
	for kind, form := range map[Kind]string{
		Access:  `^dockit_[a-z2-7]{12}_[a-z2-7]{39}$`,
		Refresh: `^dockitrefresh_[a-z2-7]{12}_[a-z2-7]{39}$`,
	} {
		token := New(kind)
		if text := token.Reveal(); !regexp.MustCompile(form).MatchString(text) {
			t.Errorf("%s does not match %s", text, form)
		}
		if token.Kind() != kind {
			t.Errorf("kind %q, want %q", token.Kind(), kind)
		}
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
			if !errors.Is(err, tc.err) || token.ID() != tc.id {
				t.Fatalf("Parse = %v, %v; want id %q, %v", token, err, tc.id, tc.err)
			}
			if err == nil && token.Reveal() != tc.text {
				t.Fatalf("Reveal = %q, want %q", token.Reveal(), tc.text)
			}
		})
	}
}

func TestHash(t *testing.T) {
	one := New(Access)
	again, err := Parse(one.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if !again.Matches(one.Hash()) {
		t.Error("a token does not match its own hash")
	}
	for name, other := range map[string]Token{
		"another token":          New(Access),
		"another secret":         WithNewSecret(Access, one.ID()),
		"the same of other kind": {Refresh, one.id, one.secret},
	} {
		if other.Matches(one.Hash()) {
			t.Errorf("%s matches", name)
		}
	}
	for name, hash := range map[string][]byte{"no hash": nil, "half a hash": one.Hash()[:16]} {
		if one.Matches(hash) {
			t.Errorf("%s matches", name)
		}
	}
}

func TestPrintedWithoutSecret(t *testing.T) {
	token := New(Refresh)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{token, &token, struct{ Inner Token }{token}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, token.secret) {
				t.Errorf("%s of %T shows the secret: %s", verb, value, text)
			}
		}
	}
}

func TestValidateID(t *testing.T) {
	if err := ValidateID(New(Access).ID()); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "17", "ABCDEFGHIJKL", "abcdefghijk1", "abcdefghij-2", fixed} {
		err := ValidateID(id)
		if !errors.Is(err, errID) {
			t.Errorf("ValidateID(%q) = %v", id, err)
		}
		if err != nil && strings.Contains(err.Error(), fixed[20:]) {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

func TestNewIsRandom(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 1000 {
		token := New(Access)
		if seen[token.id] || seen[token.secret] {
			t.Fatalf("made twice: %s", token)
		}
		seen[token.id], seen[token.secret] = true, true
		for _, letter := range token.secret {
			letters[letter] = true
		}
	}
	if len(letters) != len(alphabet) {
		t.Errorf("secrets use %d letters of %d", len(letters), len(alphabet))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(fixed)
	f.Add("dockitrefresh_" + fixed[7:])
	f.Add("dockit__")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			if token != (Token{}) {
				t.Fatal("an error with a token")
			}
			return
		}
		if token.Reveal() != text {
			t.Fatalf("Parse(%q).Reveal() = %q", text, token.Reveal())
		}
		if err := ValidateID(token.ID()); err != nil {
			t.Fatal(err)
		}
	})
}
