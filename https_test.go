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
	if err := caddy.Run(config); err != nil {
		t.Fatal(err)
	}

	root := filepath.Join(storage, "pki", "authorities", "local", "root.crt")
	var certificate []byte
	var err error
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if certificate, err = os.ReadFile(root); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		t.Fatal("no root certificate")
	}
	address := listenAddress(t)
	client := newClient(t)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "dockit.localhost"}
	req, err := http.NewRequest(http.MethodGet, "https://"+address+"/v2/token?service=registry&scope=registry:catalog:*", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "dockit.localhost"
	req.SetBasicAuth(rootName, rootPassword)
	var resp *http.Response
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if resp, err = client.Do(req); err == nil {
			break
		}
		if time.Now().After(deadline) { // certificates are made in the background
			t.Fatal(err)
		}
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK || strings.Count(answer.Token, ".") != 2 {
		t.Fatalf("%s, token %q, %v", resp.Status, answer.Token, err)
	}

	t.Run("another name", func(t *testing.T) {
		req := req.Clone(t.Context())
		req.Host = "other.localhost"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Error(resp.Status)
		}
	})
	t.Run("no other address is opened", func(t *testing.T) {
		app, err := caddy.ActiveContext().App("http")
		if err != nil {
			t.Fatal(err)
		}
		for name, server := range app.(*caddyhttp.App).Servers {
			if name != apiserver.MainServer && len(server.Listeners()) > 0 {
				t.Errorf("server %s listens", name)
			}
		}
	})
}
