// Package kubeapi runs a real API server of Kubernetes with its etcd for a test. Nothing runs pods there.
package kubeapi

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// Server is an API server.
type Server struct {
	// URL is where it is, and its iss. CA is the file with the authority of its certificate.
	URL, CA string
	// Admin is the bearer token of somebody who may do everything, and Client trusts the authority.
	Admin  string
	Client *http.Client

	tokens map[string]string
}

// Options say what a server has beside what is always there.
type Options struct {
	// Users have bearer tokens: their groups by their names.
	Users map[string][]string
	// Binary is the server as it was built. Default: it is built, which takes many minutes the first time.
	Binary string
}

// Start runs a server until the test ends.
func Start(t *testing.T, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	etcd := startEtcd(t, filepath.Join(dir, "etcd"))
	if o.Binary == "" {
		var err error
		o.Binary, err = build.KubeAPIServer(t.Context(), dir)
		require.NoError(t, err)
	}
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	k := &Server{
		URL: "https://127.0.0.1:" + strconv.Itoa(p), CA: filepath.Join(dir, "certificates", "apiserver.crt"), Admin: rand.Text(), tokens: map[string]string{},
	}
	var users strings.Builder
	users.WriteString(k.Admin + `,admin,admin,"system:masters"` + "\n")
	for name, groups := range o.Users {
		k.tokens[name] = rand.Text()
		fmt.Fprintf(&users, "%s,%s,%s,%q\n", k.tokens[name], name, name, strings.Join(groups, ","))
	}
	key := writeKey(t, dir)
	server, err := process.Start(process.Command{
		Name: "kube-apiserver at " + k.URL, Path: o.Binary, Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir},
		Args: []string{
			"--etcd-servers=" + etcd, "--endpoint-reconciler-type", "none", // nobody else looks for it
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p),
			"--cert-dir=" + filepath.Dir(k.CA), "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=Node,RBAC",
			"--token-auth-file=" + writeFile(t, dir, "tokens.csv", users.String()), "--enable-admission-plugins=NodeRestriction",
			"--service-account-issuer=" + k.URL, "--service-account-jwks-uri=" + k.URL + "/openid/v1/jwks",
			"--service-account-signing-key-file=" + key, "--service-account-key-file=" + key, "--disable-admission-plugins=ServiceAccount",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		server.Kill() // it waits for a minute otherwise
		if t.Failed() {
			t.Log(server.Output())
		}
	})
	k.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: k.trust(t, server)}}
	require.Eventually(t, func() bool {
		status, _ := k.Try(t, k.Admin, http.MethodGet, "/readyz", nil)
		return status == http.StatusOK
	}, 2*time.Minute, 200*time.Millisecond)
	return k
}

// TokenOf is the bearer token of a user.
func (k *Server) TokenOf(user string) string { return k.tokens[user] }

// trust waits until the server has made its certificate.
func (k *Server) trust(t *testing.T, server *process.Process) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	require.Eventually(t, func() bool {
		certificates, err := os.ReadFile(k.CA)
		return err == nil && roots.AppendCertsFromPEM(certificates)
	}, 2*time.Minute, 100*time.Millisecond, "%s", server.Output())
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// startEtcd runs what the API server keeps everything in, and returns where.
func startEtcd(t *testing.T, dir string) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	path, err := exec.LookPath("etcd")
	if err != nil {
		path = filepath.Join(root, "bin", "etcd")
	}
	var urls [2]string
	for i := range urls {
		p, err := port.Free(t.Context())
		require.NoError(t, err)
		urls[i] = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	}
	p, err := process.Start(process.Command{
		Name: "etcd", Path: path, Env: []string{"PATH=" + os.Getenv("PATH")},
		Args: []string{
			"--data-dir", dir, "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
			"--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster", "default=" + urls[1],
		},
	})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	require.NoError(t, p.WaitReady(t.Context(), http.DefaultClient, urls[0]+"/health", http.StatusOK))
	return urls[0]
}

// writeKey writes one that tokens are signed with.
func writeKey(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return writeFile(t, dir, "sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// Apply makes an object, or takes it as it is.
func (k *Server) Apply(t *testing.T, path string, object map[string]any) {
	t.Helper()
	status, answer := k.Try(t, k.Admin, http.MethodPost, path, object)
	require.Contains(t, []int{http.StatusCreated, http.StatusConflict}, status, "%s", answer)
}

// AddServiceAccount makes a service account, and its namespace.
func (k *Server) AddServiceAccount(t *testing.T, namespace, name string, annotations map[string]string) {
	t.Helper()
	if namespace != "default" {
		k.Apply(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": namespace}})
	}
	k.Apply(t, "/api/v1/namespaces/"+namespace+"/serviceaccounts", map[string]any{"metadata": map[string]any{"name": name, "annotations": annotations}})
}

// Token is what the API server signs for a service account, as for the pod that mounts it.
func (k *Server) Token(t *testing.T, namespace, account, audience string) string {
	t.Helper()
	var answer struct {
		Status struct{ Token string }
	}
	request := map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": map[string]any{"audiences": []string{audience}, "expirationSeconds": 600},
	}
	require.NoError(t, json.Unmarshal(k.Ask(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", request), &answer))
	require.NotEmpty(t, answer.Status.Token)
	return answer.Status.Token
}

// ApplyManifest makes an object of a manifest as kubectl apply --server-side does, and as --dry-run=server does if nothing is
// to be kept. What its kind does not have is an error.
func (k *Server) ApplyManifest(t *testing.T, manifest []byte, namespace string, dry bool) error {
	t.Helper()
	var object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   struct {
			Name      string `yaml:"name"`
			Namespace string `yaml:"namespace"`
		} `yaml:"metadata"`
	}
	require.NoError(t, yaml.Unmarshal(manifest, &object))
	prefix := "/apis/" + object.APIVersion
	if !strings.Contains(object.APIVersion, "/") {
		prefix = "/api/" + object.APIVersion
	}
	plural, namespaced := k.resource(t, prefix, object.Kind)
	if plural == "" {
		return fmt.Errorf("the API server has no kind %s in %s", object.Kind, object.APIVersion)
	}
	path := prefix
	if namespaced {
		if object.Metadata.Namespace != "" {
			namespace = object.Metadata.Namespace
		}
		path += "/namespaces/" + namespace
	}
	path += "/" + plural + "/" + object.Metadata.Name + "?fieldManager=test&fieldValidation=Strict&force=true"
	if dry {
		path += "&dryRun=All"
	}
	status, answer := k.do(t, k.Admin, http.MethodPatch, path, "application/apply-patch+yaml", manifest)
	if status != http.StatusOK && status != http.StatusCreated {
		return fmt.Errorf("%s %s: status %d: %s", object.Kind, object.Metadata.Name, status, answer)
	}
	return nil
}

// TryApply applies a manifest at a path on trial, as whoever has the bearer.
func (k *Server) TryApply(t *testing.T, bearer, path string, manifest []byte) (status int, answer []byte) {
	t.Helper()
	return k.do(t, bearer, http.MethodPatch, path+"?fieldManager=test&dryRun=All", "application/apply-patch+yaml", manifest)
}

// resource is what the API server calls a kind in paths, or nothing.
func (k *Server) resource(t *testing.T, prefix, kind string) (plural string, namespaced bool) {
	t.Helper()
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
		}
	}
	status, answer := k.Try(t, k.Admin, http.MethodGet, prefix, nil)
	if status != http.StatusOK {
		return "", false
	}
	require.NoError(t, json.Unmarshal(answer, &list))
	for _, r := range list.Resources {
		if r.Kind == kind && !strings.Contains(r.Name, "/") {
			return r.Name, r.Namespaced
		}
	}
	return "", false
}

// Kubeconfig writes a file by which somebody with a bearer token reaches the server, and returns its path.
func (k *Server) Kubeconfig(t *testing.T, bearer string) string {
	t.Helper()
	content, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []map[string]any{{"name": "test", "cluster": map[string]any{"server": k.URL, "certificate-authority": k.CA}}},
		"users":    []map[string]any{{"name": "test", "user": map[string]any{"token": bearer}}},
		"contexts": []map[string]any{{"name": "test", "context": map[string]any{"cluster": "test", "user": "test"}}},
	})
	require.NoError(t, err)
	return writeFile(t, t.TempDir(), "kubeconfig", string(content))
}

// Change changes an object by a merge patch.
func (k *Server) Change(t *testing.T, path string, patch map[string]any) {
	t.Helper()
	encoded, err := json.Marshal(patch)
	require.NoError(t, err)
	status, answer := k.do(t, k.Admin, http.MethodPatch, path, "application/merge-patch+json", encoded)
	require.Equal(t, http.StatusOK, status, "%s", answer)
}

// Ask makes a request as an admin, which must succeed.
func (k *Server) Ask(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	status, answer := k.Try(t, k.Admin, method, path, body)
	require.Less(t, status, 300, "%s", answer)
	require.NotZero(t, status)
	return answer
}

// Try makes a request with a bearer token, or without any if that is empty. The status is 0 while nobody listens.
func (k *Server) Try(t *testing.T, bearer, method, path string, body any) (status int, answer []byte) {
	t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	return k.do(t, bearer, method, path, "application/json", encoded)
}

func (k *Server) do(t *testing.T, bearer, method, path, contentType string, body []byte) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, k.URL+path, bytes.NewReader(body))
	require.NoError(t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := k.Client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, answer
}
