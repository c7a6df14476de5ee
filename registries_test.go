package dockit

import (
	"encoding/pem"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/apiserver"
	"github.com/dockit-registry/dockit/internal/registrytest"
)

// TestPageOfARegistry guards that the page finds the registry of a service by its URL
// and authority, over reloads.
func TestPageOfARegistry(t *testing.T) {
	plain := registrytest.New(t)
	plain.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	encrypted := httptest.NewTLSServer(plain)
	t.Cleanup(encrypted.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw}), 0o600))
	t.Setenv("DOCKIT_TEST_REGISTRY", plain.Server.URL)

	s := newSite(t)
	s.dockit = "service look {\n url {env.DOCKIT_TEST_REGISTRY}\n host pull.example.com\n}\nservice sealed {\n url " + encrypted.URL + "\n ca_file " + authority +
		"\n}\nservice unknown {\n url " + encrypted.URL + "\n}"
	mustLoad(t, s.String())
	client := newClient(t)
	var err error
	client.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	resp, err := client.PostForm(s.url("/dockit/sign-in"), url.Values{"name": {rootName}, "password": {rootPassword}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	for range 2 {
		for service, want := range map[string]string{
			"": ">team/app</a>", "sealed": ">team/app</a>", "unknown": "certificate", "registry.example.com": "Where is the registry?",
		} {
			status, page := get(t, client, s.url("/dockit/repositories?service="+service))
			assert.Equal(t, http.StatusOK, status, service)
			assert.Contains(t, page, want, service)
		}
		_, page := get(t, client, s.url("/dockit/repositories/image?service=look&name=team/app&tag=1.0"))
		assert.Contains(t, page, "docker pull pull.example.com/team/app:1.0")
		mustLoad(t, s.String())
	}
}

func TestRegistriesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	t.Setenv("DOCKIT_TEST_REGISTRY", "http://user:hunter2@registry:5000")
	database := "database sqlite " + filepath.Join(dir, "dockit.sqlite") + "\n"
	for name, c := range map[string]struct{ option, want string }{
		"credentials":             {"service a {\n url {env.DOCKIT_TEST_REGISTRY}\n}", "service a: url: write where the registry is"},
		"no authority":            {"service a {\n url https://a\n ca_file " + empty + "\n}", "service a: ca_file: " + empty + " has no certificate in PEM"},
		"no host":                 {"service a {\n host http://a\n}", "service a: host"},
		"no file":                 {"service a {\n url https://a\n ca_file " + dir + "/none\n}", "none"},
		"authority for nothing":   {"service a {\n ca_file " + empty + "\n}", "service a: ca_file without a url"},
		"placeholder for nothing": {"service a {\n url {env.DOCKIT_TEST_UNSET}\n}", "{env.DOCKIT_TEST_UNSET}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, cleanup, err := provisionedApp(t, database+c.option)
			if err == nil {
				cleanup()
			}
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// TestRegistriesOfAPIServer guards where api-server has the page look for the registry
// of each service.
func TestRegistriesOfAPIServer(t *testing.T) {
	for name, c := range map[string]struct {
		options apiserver.Options
		want    []*Service
	}{
		"nothing":  {apiserver.Options{Services: []string{"a"}}, []*Service{{Name: "a"}}},
		"upstream": {apiserver.Options{Services: []string{"a"}, Upstream: "registry:5000"}, []*Service{{Name: "a", URL: "http://registry:5000", Proxied: true}}},
		"upstream over TLS": {
			apiserver.Options{Services: []string{"a"}, Upstream: "https://registry.internal", RegistryCAFile: "ca.pem"},
			[]*Service{{Name: "a", URL: "https://registry.internal:443", Proxied: true, CAFile: "ca.pem"}},
		},
		"given": {
			apiserver.Options{Services: []string{"a"}, Upstream: "registry:5000", Registries: []string{"a=http://other:5000"}},
			[]*Service{{Name: "a", URL: "http://other:5000"}},
		},
		"host": {
			apiserver.Options{Services: []string{"a"}, Registries: []string{"a=http://registry:5000"}, RegistryHosts: []string{"a=localhost:5000"}},
			[]*Service{{Name: "a", URL: "http://registry:5000", Host: "localhost:5000"}},
		},
		"two services and an upstream": {
			apiserver.Options{Services: []string{"a", "b"}, Upstream: "registry:5000"}, []*Service{{Name: "a"}, {Name: "b"}},
		},
		"the other one is given": {
			apiserver.Options{Services: []string{"a", "b"}, Upstream: "registry:5000", Registries: []string{"b=http://other:5000"}},
			[]*Service{{Name: "a", URL: "http://registry:5000", Proxied: true}, {Name: "b", URL: "http://other:5000"}},
		},
	} {
		c.options.Given = func(string) bool { return false }
		c.options.PKIKeyType, c.options.PKIECKeySize = "ec", 256
		made, err := appOf(&c.options)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, made.(*App).Services, name)
	}
}
