package subject

import (
	"errors"
	"strings"
	"testing"
)

func TestFoldName(t *testing.T) {
	for in, want := range map[string]string{
		"Alice": "alice", "A.B_c@D-9": "a.b_c@d-9", "": "", "\u212aelvin": "\u212aelvin", "\xffA": "\ufffda", "Ä": "Ä",
	} {
		if got := FoldName(in); got != want {
			t.Errorf("FoldName(%q) = %q, want %q", in, got, want)
		}
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
			if !errors.Is(err, tc.err) || got != tc.want {
				t.Fatalf("ParseRef(%q) = %v, %v; want %v, %v", tc.in, got, err, tc.want, tc.err)
			}
		})
	}
}

func TestErrorsAreShortAndCutNoRune(t *testing.T) {
	for _, in := range []string{strings.Repeat("ä", 5_000), "x" + strings.Repeat("ä", 5_000), strings.Repeat("東", 5_000) + ":alice"} {
		_, err := ParseRef(in)
		if err == nil || len(err.Error()) > 1_000 || strings.Contains(err.Error(), `\x`) {
			t.Errorf("ParseRef(%.9q…): %v", in, err)
		}
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
		if got := ref.BuiltIn(); got != want {
			t.Errorf("%v.BuiltIn() = %v, want %v", ref, got, want)
		}
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
		if ref.String() != s {
			t.Fatalf("ParseRef(%q).String() = %q", s, ref)
		}
		if strings.ContainsAny(ref.Name, ":/* \n\"'\\$") {
			t.Fatalf("ParseRef(%q) let an unsafe name through", s)
		}
	})
}
