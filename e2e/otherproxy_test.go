package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// otherProxy is a program in front of Dockit and a registry, as docs/guides/behind-another-proxy.md configures it.
type otherProxy struct {
	// language is that of its block in the guide.
	language string
	// host is how the block says for which host or port it is, and certificate, if it does so in another place, where the certificate is.
	host, certificate string
	// around is what stands around the block, at %s.
	around string
	// command runs it with a file of configuration.
	command func(t *testing.T, file string) []string
}

var otherProxies = map[string]otherProxy{
	"nginx": {
		language: "nginx", host: "listen 443 ssl;\n    server_name registry.example.com;", certificate: "# ssl_certificate, ssl_certificate_key",
		around: "daemon off;\nuser root;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n    access_log off;\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n" +
			"    fastcgi_temp_path fastcgi;\n    uwsgi_temp_path uwsgi;\n    scgi_temp_path scgi;\n%s}\n",
		command: func(t *testing.T, file string) []string {
			t.Helper()
			return []string{foundProxy(t, "nginx"), "-p", filepath.Dir(file), "-c", file}
		},
	},
	"HAProxy": {
		language: "haproxy", host: "bind :443 ssl crt /etc/haproxy/registry.pem",
		around: "global\n    tune.bufsize 49152\ndefaults\n    mode http\n    timeout connect 10s\n    timeout client 15m\n    timeout server 1m\n%s",
		command: func(t *testing.T, file string) []string {
			t.Helper()
			return []string{foundProxy(t, "haproxy"), "-db", "-f", file}
		},
	},
	"Caddy": {
		language: "caddyfile", host: "registry.example.com {", around: "{\n\tadmin off\n\tauto_https disable_redirects\n}\n%s",
		command: func(t *testing.T, file string) []string {
			t.Helper()
			return []string{built(t, buildDockit), "run", "--config", file}
		},
	},
}

// foundProxy is a program that scripts/get-proxies got.
func foundProxy(t *testing.T, program string) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "bin", "proxies", program)
	if _, err := os.Stat(path); err != nil {
		cannot.Run(t, fmt.Errorf("%s: %w: run scripts/get-proxies bin/proxies", program, err))
	}
	return path
}

// TestBehindAnotherProxy runs what the guide says of each proxy: images go through, Dockit's own paths are Dockit's, tokens of CI jobs
// fit, and a wrong password counts for the client's network.
func TestBehindAnotherProxy(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		cannot.Run(t, errors.New("a client has an address of its own on this machine: Linux lets it"))
	}
	root, err := build.Root()
	require.NoError(t, err)
	guide, err := os.ReadFile(filepath.Join(root, "docs", "guides", "behind-another-proxy.md"))
	require.NoError(t, err)
	for name, proxy := range otherProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, block, found := strings.Cut(string(guide), "\n```"+proxy.language+"\n")
			require.True(t, found)
			block, _, _ = strings.Cut(block, "```\n")
			proxy.test(t, block)
		})
	}
}

func (o otherProxy) test(t *testing.T, block string) {
	t.Helper()
	// What is looked up may be missing: that comes first.
	dir := t.TempDir()
	file := filepath.Join(dir, "configuration")
	command := o.command(t, file)

	front, err := port.Free(t.Context())
	require.NoError(t, err)
	address := port.Localhost(front)
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--trusted-proxies", "127.0.0.1"}})
	bundle := filepath.Join(dir, "bundle.pem")
	_, err = server.Admin().Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	r := startRegistry(t, registry.Config{Binary: registryBinary(t, registry.V3), Realm: "https://" + address + "/v2/token", Service: service, RootCertBundle: bundle})

	pair, roots := certificateOfLocalhost(t)
	certificate := filepath.Join(dir, "pair.pem")
	require.NoError(t, os.WriteFile(certificate, pair, 0o600))
	host := map[string]string{
		"nginx":     fmt.Sprintf("listen 127.0.0.1:%d ssl;\n    server_name localhost;", front),
		"haproxy":   fmt.Sprintf("bind 127.0.0.1:%d ssl crt %s", front, certificate),
		"caddyfile": fmt.Sprintf("https://localhost:%d {\n\tbind 127.0.0.1\n\ttls %s %[2]s", front, certificate),
	}[o.language]
	for _, part := range []string{o.host, o.certificate, "127.0.0.1:4315", "127.0.0.1:5000"} {
		require.Contains(t, block, part)
	}
	replaced := []string{o.host, host, "127.0.0.1:4315", strings.Replace(server.Host, "localhost", "127.0.0.1", 1), "127.0.0.1:5000", strings.Replace(r.Host, "localhost", "127.0.0.1", 1)}
	if o.certificate != "" {
		replaced = append(replaced, o.certificate, fmt.Sprintf("ssl_certificate %s;\n    ssl_certificate_key %[1]s;", certificate))
	}
	content := fmt.Sprintf(o.around, strings.NewReplacer(replaced...).Replace(block))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	p, err := process.Start(process.Command{
		Name: o.language, Path: command[0], Args: command[1:], Dir: dir,
		Env: append(dockit.Environment(dir), "LD_LIBRARY_PATH="+filepath.Join(filepath.Dir(command[0]), "lib")),
	})
	require.NoError(t, err)
	stopAtEnd(t, p)

	// The client has an address that is not the proxy's.
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 2, 3)}}
			return dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", front))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	web := &http.Client{Transport: transport}
	require.NoError(t, p.WaitReady(t.Context(), web, "https://"+address+"/v2/", http.StatusUnauthorized))

	requirePushed(t, client{host: address, username: server.Config().RootUser, password: server.Config().RootPassword, transport: transport}, "team/app")
	status := func(method, path, password string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+address+path, nil)
		require.NoError(t, err)
		r.SetBasicAuth("alice", password)
		response, err := web.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, status(http.MethodGet, "/v2/certs/pem", ""))
	require.Equal(t, http.StatusMethodNotAllowed, status(http.MethodGet, "/v2/token/revoke", ""), "of Dockit, where a registry knows no such path")
	require.Equal(t, http.StatusUnauthorized, status(http.MethodGet, "/v2/token?service="+service, strings.Repeat("x", 12<<10)), "a token as long as those of CI jobs")
	require.Equal(t, http.StatusUnauthorized, status(http.MethodGet, "/v2/token?service="+service, "wrong"))
	lockouts, err := server.Admin().Run(t.Context(), "rbac", "lockouts", "list")
	require.NoError(t, err)
	require.Contains(t, lockouts, "127.1.2.", "the network of the proxy counts for everybody")
}

// certificateOfLocalhost is a certificate with its key in PEM, and who trusts it.
func certificateOfLocalhost(t *testing.T) ([]byte, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	var pair bytes.Buffer
	require.NoError(t, pem.Encode(&pair, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pair.Bytes()))
	require.NoError(t, pem.Encode(&pair, &pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return pair.Bytes(), roots
}
