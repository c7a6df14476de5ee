package subject

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFoldName(t *testing.T) {
	for in, want := range map[string]string{
		"Alice": "alice", "A.B_c@D-9": "a.b_c@d-9", "": "", "\u212aelvin": "\u212aelvin", "\xffA": "\ufffda", "Ä": "Ä",
	} {
		got := FoldName(in)
		assert.Equal(t, want, got, "FoldName(%q)", in)
	}
}

func TestParseRef(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want Ref
		err  error
	}{
		{name: "user", in: "user:alice", want: Ref{User, "alice"}},
		{name: "robot", in: "robot:ci", want: Ref{Robot, "ci"}},
		{name: "group", in: "group:dev", want: Ref{Group, "dev"}},
		{name: "mail address", in: "user:a.lice@example.com", want: Ref{User, "a.lice@example.com"}},
		{name: "longest", in: "user:" + strings.Repeat("a", 128), want: Ref{User, strings.Repeat("a", 128)}},
		{name: "too long", in: "user:" + strings.Repeat("a", 129), err: ErrInvalidName},
		{name: "no kind", in: "alice", err: ErrInvalidKind},
		{name: "unknown kind", in: "admin:alice", err: ErrInvalidKind},
		{name: "upper-case kind", in: "User:alice", err: ErrInvalidKind},
		{name: "upper-case name", in: "user:Alice", err: ErrInvalidName},
		{name: "empty name", in: "user:", err: ErrInvalidName},
		{name: "colon in name", in: "user:a:b", err: ErrInvalidName},
		{name: "doubled separator", in: "user:a--b", err: ErrInvalidName},
		{name: "separator first", in: "user:-a", err: ErrInvalidName},
		{name: "separator last", in: "user:a.", err: ErrInvalidName},
		{name: "slash", in: "user:a/b", err: ErrInvalidName},
		{name: "line feed", in: "user:a\n", err: ErrInvalidName},
		{name: "not ASCII", in: "user:é", err: ErrInvalidName},
		{name: "wildcard", in: "user:*", err: ErrInvalidName},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseRef(tc.in)
			require.ErrorIs(t, err, tc.err, "ParseRef(%q) = %v", tc.in, got)
			require.Equal(t, tc.want, got, "ParseRef(%q)", tc.in)
		})
	}
}

func TestErrorsAreShortAndCutNoRune(t *testing.T) {
	for _, in := range []string{strings.Repeat("ä", 5_000), "x" + strings.Repeat("ä", 5_000), strings.Repeat("東", 5_000) + ":alice"} {
		_, err := ParseRef(in)
		require.Error(t, err, "ParseRef(%.9q…)", in)
		assert.LessOrEqual(t, len(err.Error()), 1_000, "ParseRef(%.9q…)", in)
		assert.NotContains(t, err.Error(), `\x`, "ParseRef(%.9q…)", in)
	}
}

func TestBuiltIn(t *testing.T) {
	for ref, want := range map[Ref]bool{
		Anonymous:               true,
		Authenticated:           true,
		{Group, "anonymous"}:    false,
		{User, "authenticated"}: false,
		{User, "alice"}:         false,
	} {
		got := ref.BuiltIn()
		assert.Equal(t, want, got, "%v.BuiltIn()", ref)
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("user:alice")
	f.Add("group:")
	f.Add(":")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseRef(s)
		if err != nil {
			return
		}
		require.Equal(t, s, ref.String(), "ParseRef(%q).String() = %q", s, ref)
		require.False(t, strings.ContainsAny(ref.Name, ":/* \n\"'\\$"), "ParseRef(%q) let an unsafe name through", s)
	})
}

// TestNamesFollowTheirGrammar compares the check with the regular expression that the
// documentation has.
func TestNamesFollowTheirGrammar(t *testing.T) {
	grammar := regexp.MustCompile(`^[a-z0-9]+(?:[._@-][a-z0-9]+)*$`)
	letters := []string{"a", "z", "0", "9", ".", "_", "@", "-", "A", "/", ":", " ", "ä", "\xff", "\n"}
	var names func(prefix string, left int)
	names = func(prefix string, left int) {
		require.Equal(t, grammar.MatchString(prefix), ValidateName(prefix) == nil, "%q", prefix)
		if left == 0 {
			return
		}
		for _, letter := range letters {
			names(prefix+letter, left-1)
		}
	}
	names("", 4)
}
