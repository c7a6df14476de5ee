package credentialprovider

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const asked = `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"Registry.example.com:5000/team/app","serviceAccountToken":"a.b.c","serviceAccountAnnotations":{"dockit.dev/robot":"ci"},"new":1}`

func TestReadRequest(t *testing.T) {
	got, err := ReadRequest(strings.NewReader(asked))
	require.NoError(t, err)
	assert.Equal(t, Request{Host: "registry.example.com:5000", Token: "a.b.c", Annotations: map[string]string{"dockit.dev/robot": "ci"}}, got)
	for name, tc := range map[string]struct{ replace, by, says string }{
		"another version": {"k8s.io/v1", "k8s.io/v1beta1", "write apiVersion: credentialprovider.kubelet.k8s.io/v1"},
		"another kind":    {"CredentialProviderRequest", "Pod", `it is a "Pod"`},
		"no JSON":         {asked, "secret-token", "it is no JSON object"},
		"nothing":         {asked, "", "it is no JSON object"},
		"a list":          {asked, "[]", "it is no JSON object"},
		"more than one":   {asked, asked + asked, "it is no JSON object"},
		"too much":        {`"new":1`, `"new":"` + strings.Repeat("x", maxRequest) + `"`, "more than 1048576 bytes"},
		"no host":         {"Registry.example.com:5000/team/app", "app", "does not begin with the host"},
		"an odd host":     {"Registry.example.com:5000/", "reg istry/", "does not begin with the host"},
		"an empty host":   {"Registry.example.com:5000/", "/", "does not begin with the host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRequest(strings.NewReader(strings.Replace(asked, tc.replace, tc.by, 1)))
			require.ErrorIs(t, err, ErrRequest)
			require.ErrorContains(t, err, tc.says)
			assert.NotContains(t, err.Error(), "a.b.c")
			assert.NotContains(t, err.Error(), "secret-token")
		})
	}
}

// TestResponse guards what the kubelet reads: a wrong cacheKeyType, and it takes none of
// the answer.
func TestResponse(t *testing.T) {
	var written bytes.Buffer
	require.NoError(t, Response{Host: "registry.example.com:5000", Username: "ci", Password: "p", CacheDuration: "13m20s"}.Write(&written))
	assert.JSONEq(t, `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"13m20s",
		"auth":{"registry.example.com:5000":{"username":"ci","password":"p"}}}`, written.String())
}

func TestSettings(t *testing.T) {
	for text, fault := range map[string]string{
		"registry.example.com": "", "Registry.example.com:5000": "", "[::1]:5000": "", "localhost": "",
		"https://registry.example.com": "write the host alone", "registry.example.com/team": "write the host alone", "*.example.com": "without wildcards", "": "is no host", "a b": "is no host",
	} {
		host, err := ParseRegistry(text)
		if fault == "" {
			require.NoError(t, err, text)
			assert.Equal(t, strings.ToLower(text), host)
		} else {
			require.ErrorContains(t, err, fault, text)
		}
	}
	for text, fault := range map[string]string{
		"https://dockit.example.com": "", "https://dockit.example.com:4315/below": "", "http://localhost:4315": "", "http://127.0.0.1:4315": "", "http://[::1]": "",
		"http://dockit.example.com": "can be read on the way", "dockit.example.com": "write a URL", "": "write a URL", "ftp://a": "write a URL", "https://u:p@a": "write a URL", "https://a?b": "write a URL", "https://%zz": "write a URL",
	} {
		_, err := ParseServer(text)
		if fault == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, fault, text)
			assert.NotContains(t, err.Error(), "Exchange")
		}
	}
	_, err := ParseMode("both")
	require.ErrorContains(t, err, "use exchange or echo")
}

// FuzzRequest guards that whatever comes is read within bounds, and that what was read
// is answered as the kubelet reads it.
func FuzzRequest(f *testing.F) {
	f.Add(asked)
	f.Add(strings.Replace(asked, "a.b.c", pod("team-a", "app", "app-0", nil), 1))
	f.Add(`{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"[::1]:1/a","serviceAccountToken":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ReadRequest(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, ErrRequest)
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		assert.Equal(t, strings.ToLower(r.Host), r.Host)
		assert.NotContains(t, r.Host, "/")
		got, err := Provider{Registries: []string{r.Host}, Mode: Echo}.Provide(t.Context(), r)
		if err != nil {
			return
		}
		var written bytes.Buffer
		require.NoError(t, got.Write(&written))
		var answer struct {
			Auth map[string]map[string]string `json:"auth"`
		}
		require.NoError(t, json.Unmarshal(written.Bytes(), &answer))
		assert.Len(t, answer.Auth, 1)
		assert.Equal(t, r.Token, answer.Auth[r.Host]["password"])
	})
}
