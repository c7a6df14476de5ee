package dockit

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/dockit-registry/dockit/internal/apiserver"
)

// TestAutomaticHTTPS serves a local name as `api-server --domain` does, with a
// certificate by Caddy's internal issuer, to a client that trusts its root.
func TestAutomaticHTTPS(t *testing.T) {
	storage := t.TempDir()
	t.Setenv("XDG_DATA_HOME", storage)
	config, _ := configOf(t,
		"--domain", "dockit.localhost", "--listen", "127.0.0.1:0", "--log-level", "error",
		"--sql-dsn", filepath.Join(t.TempDir(), "dockit.sqlite"), "--root-user", rootName, "--root-password", rootPassword)
	config.StorageRaw = caddyconfig.JSONModuleObject(filestorage.FileStorage{Root: storage}, "module", "file_system", nil)
	t.Cleanup(func() { _ = caddy.Stop() })
	require.NoError(t, caddy.Run(config))

	root := filepath.Join(storage, "pki", "authorities", "local", "root.crt")
	var certificate []byte
	var err error
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if certificate, err = os.ReadFile(root); err == nil {
			break
		}
		require.LessOrEqual(t, time.Now(), deadline, "%v", err)
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certificate), "no root certificate")
	address := listenAddress(t)
	client := newClient(t)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "dockit.localhost"}
	req, err := http.NewRequest(http.MethodGet, "https://"+address+"/v2/token?service=registry&scope=registry:catalog:*", nil)
	require.NoError(t, err)
	req.Host = "dockit.localhost"
	req.SetBasicAuth(rootName, rootPassword)
	var resp *http.Response
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if resp, err = client.Do(req); err == nil {
			break
		}
		// certificates are made in the background
		require.LessOrEqual(t, time.Now(), deadline, "%v", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer), "%s, token %q", resp.Status, answer.Token)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s, token %q", resp.Status, answer.Token)
	require.Equal(t, 2, strings.Count(answer.Token, "."), "%s, token %q", resp.Status, answer.Token)

	t.Run("another name", func(t *testing.T) {
		req := req.Clone(t.Context())
		req.Host = "other.localhost"
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode, resp.Status)
	})
	t.Run("no other address is opened", func(t *testing.T) {
		app, err := caddy.ActiveContext().App("http")
		require.NoError(t, err)
		for name, server := range app.(*caddyhttp.App).Servers {
			if name != apiserver.MainServer {
				assert.Empty(t, server.Listeners(), "server %s listens", name)
			}
		}
	})
}
