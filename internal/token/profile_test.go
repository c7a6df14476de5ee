package token

import (
	"errors"
	"strings"
	"testing"
)

func TestParseProfile(t *testing.T) {
	for _, want := range []Profile{ProfileX5C, ProfileJWKS, ProfileZot} {
		if got, err := ParseProfile(string(want)); got != want || err != nil {
			t.Errorf("ParseProfile(%q) = %q, %v", want, got, err)
		}
	}
	for _, s := range []string{"", "X5C", "kid", strings.Repeat("x", 10_000)} {
		got, err := ParseProfile(s)
		if got != "" || !errors.Is(err, errInvalidProfile) {
			t.Errorf("ParseProfile(%.20q) = %q, %v; want ErrInvalidProfile", s, got, err)
			continue
		}
		if !strings.Contains(err.Error(), "use x5c, jwks or zot") || len(err.Error()) > 200 {
			t.Errorf("error is %.300q", err)
		}
	}
}
