package settings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckRegistryHost(t *testing.T) {
	for _, text := range []string{"registry.example.com", "localhost:5000", "[::1]:5000", "registry"} {
		require.NoError(t, CheckRegistryHost("host", text), text)
	}
	for _, text := range []string{"", "http://a", "a/b", "a b", "user@a", "a?x", "a:b", ":5000", "<b>", strings.Repeat("a", maxHost+1)} {
		require.ErrorContains(t, CheckRegistryHost("host", text), "write a host as in docker pull", "%q", text)
	}
}

func TestParseRegistryURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://registry:5000": "http://registry:5000", "https://registry.example.com/": "https://registry.example.com", "http://[::1]:5000": "http://[::1]:5000",
	} {
		u, err := ParseRegistryURL("url", text)
		require.NoError(t, err, text)
		assert.Equal(t, want, u.String())
	}
	for _, text := range []string{
		"", "registry:5000", "localhost", "ftp://registry", "http://", "http:///v2", "http://:5000", "http://a/v2/", "http://a?x", "http://a#x",
		"http://user:secret@a", "http://a b", "http://" + strings.Repeat("a", maxURL),
	} {
		_, err := ParseRegistryURL("url", text)
		require.ErrorContains(t, err, "url: write where the registry is", "%q", text)
		assert.NotContains(t, err.Error(), "secret")
	}
}
