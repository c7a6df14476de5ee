package access

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidateRepository(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		// fault is part of the message; empty means that the name is valid.
		fault string
	}{
		{name: "one component", in: "app"},
		{name: "several levels", in: "team/app/debug"},
		{name: "separators", in: "a.b/c_d/e__f/g-h/i--j"},
		{name: "digits", in: "0/1"},
		{name: "host and port", in: "host:5000/a/b"},
		{name: "full host and port", in: "registry.example.com:443/a"},
		{name: "IPv6", in: "[fe80::1]/a"},
		{name: "IPv6 and port", in: "[::1]:5000/a"},
		{name: "longest", in: strings.Repeat("a", 255)},
		{name: "too long", in: strings.Repeat("a", 256), fault: "at most 255"},
		{name: "empty", in: "", fault: "the name is empty"},
		{name: "leading slash", in: "/a", fault: "a component is empty"},
		{name: "trailing slash", in: "a/", fault: "a component is empty"},
		{name: "doubled slash", in: "a//b", fault: "a component is empty"},
		{name: "parent", in: "a/../b", fault: "not a file path"},
		{name: "current", in: "./b", fault: "not a file path"},
		{name: "upper case", in: "Team/app", fault: `write "team"`},
		{name: "star", in: "*", fault: "no component"},
		{name: "star below", in: "team/*", fault: "no component"},
		{name: "two stars", in: "**", fault: "no component"},
		{name: "placeholder", in: "{username}/a", fault: "no component"},
		{name: "dot first", in: ".a", fault: "no component"},
		{name: "dot last", in: "a.", fault: "no component"},
		{name: "two dots within", in: "a..b", fault: "no component"},
		{name: "three underscores", in: "a___b", fault: "no component"},
		{name: "mixed separators", in: "a._b", fault: "no component"},
		{name: "at", in: "a@b", fault: "no component"},
		{name: "line feed", in: "a\n", fault: "no component"},
		{name: "NUL", in: "a\x00", fault: "no component"},
		{name: "not ASCII", in: "é", fault: "no component"},
		{name: "space", in: "a b", fault: "no component"},
		{name: "host alone", in: "host:5000", fault: "or a repository with a tag"},
		{name: "port below", in: "a/host:5000/b", fault: "no component of a repository has"},
		{name: "no port", in: "host:/a", fault: "no component"},
		{name: "port of letters", in: "host:http/a", fault: "no component"},
		{name: "underscore in host", in: "a_b:5000/a", fault: "no component"},
		{name: "open bracket", in: "[::1/a", fault: "no component"},
		{name: "empty brackets", in: "[]:5000/a", fault: "no component"},
		{name: "words after brackets", in: "[::1]x/a", fault: "no component"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := ValidateRepository(tc.in)
			got := isRepository(tc.in)
			assert.Equal(t, err == nil, got, "isRepository(%q) = %v, but ValidateRepository says %v", tc.in, got, err)
			if tc.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrInvalidName, "ValidateRepository(%q)", tc.in)
			require.ErrorContains(t, err, tc.fault, "ValidateRepository(%q)", tc.in)
		})
	}
}
