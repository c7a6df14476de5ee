package registrytoken

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

func TestFind(t *testing.T) {
	for name, input := range map[string]string{
		"alone": " a.b.c\n", "behind Bearer": "bearer a.b.c", "in an answer": `{"token":"a.b.c","access_token":"x"}`, "as access_token": `{"access_token":"a.b.c"}`,
		"behind Bearer in an answer": `{"token":"Bearer a.b.c"}`,
	} {
		found, err := Find(input)
		require.NoError(t, err, name)
		assert.Equal(t, "a.b.c", found, name)
	}
	for name, input := range map[string]string{"nothing": " ", "an empty answer": "{}", "half an answer": "{", "too large": strings.Repeat("a", MaxSize+1)} {
		_, err := Find(input)
		require.Error(t, err, name)
	}
}

func TestServiceOfAToken(t *testing.T) {
	issuer := clitest.NewIssuer(t)
	for name, tc := range map[string]struct {
		audience any
		want     string
	}{
		"one": {"a", "a"}, "several": {[]string{"b", "a"}, "b"}, "none": {[]string{}, ""},
	} {
		parsed, err := Parse(issuer.Token(t, "current", false, map[string]any{"aud": tc.audience}))
		require.NoError(t, err, name)
		assert.Equal(t, tc.want, parsed.Service(), name)
	}
	_, err := Parse(issuer.Token(t, "current", false, map[string]any{"aud": 7}))
	require.Error(t, err)
}

// TestTrust guards that a token is taken for a key that its server publishes, or
// under a certificate that it does, and for nothing else.
func TestTrust(t *testing.T) {
	ours, theirs := clitest.NewIssuer(t), clitest.NewIssuer(t)
	trusted, err := FetchTrust(t.Context(), ours.URL, "registry", nil, false, 10*time.Second)
	require.NoError(t, err)
	assert.False(t, trusted.UnknownService)
	other, err := FetchTrust(t.Context(), ours.URL, "other", nil, false, 10*time.Second)
	require.NoError(t, err)
	assert.True(t, other.UnknownService)

	good := ours.Token(t, "current", false, nil)
	parts := strings.Split(good, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"registry"}`))
	for name, tc := range map[string]struct {
		token string
		want  bool
	}{
		"by key":              {good, true},
		"by certificate":      {ours.Token(t, "rotated", true, nil), true},
		"an unknown key":      {ours.Token(t, "rotated", false, nil), false},
		"another's key":       {theirs.Token(t, "current", false, nil), false},
		"another certificate": {theirs.Token(t, "current", true, nil), false},
		"altered":             {strings.Join(parts, "."), false},
	} {
		parsed, err := Parse(tc.token)
		require.NoError(t, err, name)
		assert.Equal(t, tc.want, trusted.Verifies(parsed), name)
		assert.Equal(t, tc.want, other.Verifies(parsed), name)
		assert.False(t, TrustIn(nil).Verifies(parsed), name)
	}
	_, err = FetchTrust(t.Context(), "http://127.0.0.1:0", "registry", nil, false, 10*time.Second)
	require.Error(t, err)
}
