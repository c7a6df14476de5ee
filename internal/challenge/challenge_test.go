package challenge

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for header, expected := range map[string]Challenge{
		`Bearer realm="https://a/v2/token",service="registry",error="invalid_token"`: {"https://a/v2/token", "registry", "invalid_token"},
		`bearer service=registry , realm="https://a/?x=1,2"`:                         {"https://a/?x=1,2", "registry", ""},
		`Bearer realm="say \"hello\"",scope="a"`:                                     {`say "hello"`, "", ""},
		`Bearer realm="never closed`:                                                 {"never closed", "", ""},
		`Bearer`:                                                                     {},
	} {
		got, err := Parse(header)
		require.NoError(t, err, header)
		assert.Equal(t, expected, got, header)
	}
	_, err := Parse("")
	require.ErrorIs(t, err, ErrMissing)
	_, err = Parse(`Basic realm="x"`)
	require.ErrorIs(t, err, ErrOther)
}

// TestOfSeveral guards that a registry which takes passwords as well is asked for
// tokens.
func TestOfSeveral(t *testing.T) {
	found, err := Of(http.Header{"Www-Authenticate": {`Basic realm="x"`, `Bearer realm="https://a",service="s"`}})
	require.NoError(t, err)
	assert.Equal(t, Challenge{Realm: "https://a", Service: "s"}, found)
	_, err = Of(http.Header{})
	require.ErrorIs(t, err, ErrMissing)
	_, err = Of(http.Header{"Www-Authenticate": {`Basic realm="x"`}})
	require.ErrorIs(t, err, ErrOther)
}

func FuzzParse(f *testing.F) {
	f.Add(`Bearer realm="a",service=b,error="c\""`)
	f.Fuzz(func(t *testing.T, header string) {
		_, rest, _ := strings.Cut(header, " ")
		assert.LessOrEqual(t, len(slices.Collect(maps.Keys(maps.Collect(parameters(rest))))), len(rest), "more parameters than bytes")
		_, _ = Parse(header)
	})
}
