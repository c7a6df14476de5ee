package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestUploads speaks to a registry in the ways that proxies are known to break: to the registry itself, and through
// api-server --upstream. Both answer alike.
func TestUploads(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			server, r := startOneHost(t, kind)
			for name, host := range map[string]string{"itself": r.Host, "through": server.Host} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					u := uploader{t: t, kind: kind, host: host, repository: "team/" + name}
					u.token = uploadToken(t, server, u.repository)
					t.Run("monolithic", u.in(testMonolithicUpload))
					t.Run("in chunks", u.in(testUploadInChunks))
					t.Run("of unknown length", u.in(testUploadOfUnknownLength))
					t.Run("wrong digest", u.in(testUploadWithWrongDigest))
					t.Run("cancelled", u.in(testCancelledUpload))
					t.Run("cut and resumed", u.in(testResumedUpload))
					t.Run("ranges and HEAD", u.in(testRangesAndHead))
					t.Run("100-continue", u.in(testExpectContinue))
				})
			}
		})
	}
}

// startOneHost runs Dockit with a registry behind its own host, without TLS.
func startOneHost(t *testing.T, kind registry.Kind) (*dockit.Server, *registry.Registry) {
	t.Helper()
	binary := registryBinary(t, kind)
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--upstream", port.Localhost(p)}})
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	runAll(t, server.Admin(), []string{"init-container", bundle})
	return server, startRegistry(t, registry.Config{
		Binary: binary, Port: p, Realm: server.URL + "/v2/token", Service: service, RootCertBundle: bundle,
	})
}

// uploadToken is one by which the admin may do everything.
func uploadToken(t *testing.T, server *dockit.Server, repository string) string {
	t.Helper()
	query := url.Values{"service": {service}, "scope": {"repository:" + repository + ":pull,push,delete"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/token?"+query.Encode(), nil)
	require.NoError(t, err)
	req.SetBasicAuth(server.Config().RootUser, server.Config().RootPassword)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct{ Token string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.NotEmpty(t, answer.Token)
	return answer.Token
}

// uploader speaks to a registry with a token.
type uploader struct {
	t                       *testing.T
	kind                    registry.Kind
	host, repository, token string
}

func (u uploader) in(test func(uploader)) func(*testing.T) {
	return func(t *testing.T) {
		u.t = t
		test(u)
	}
}

// answer is what a request got.
type uploadAnswer struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request and checks the status.
func (u uploader) send(want int, method, target string, body io.Reader, header ...string) uploadAnswer {
	u.t.Helper()
	got, err := u.ask(method, target, body, header...)
	require.NoError(u.t, err)
	require.Equal(u.t, want, got.status, "%s %s: %s", method, target, got.body)
	return got
}

// ask makes a request.
func (u uploader) ask(method, target string, body io.Reader, header ...string) (got uploadAnswer, err error) {
	req, err := http.NewRequestWithContext(u.t.Context(), method, target, body)
	if err != nil {
		return got, err
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return uploadAnswer{resp.StatusCode, resp.Header, content}, err
}

// start begins an upload and returns where it goes on: at the host that was asked.
func (u uploader) start() string {
	u.t.Helper()
	at := u.send(http.StatusAccepted, http.MethodPost, "http://"+u.host+"/v2/"+u.repository+"/blobs/uploads/", nil).header.Get("Location")
	return u.location(at)
}

func (u uploader) location(at string) string {
	u.t.Helper()
	parsed, err := url.Parse(at)
	require.NoError(u.t, err)
	if parsed.Host == "" {
		return "http://" + u.host + at
	}
	require.Equal(u.t, u.host, parsed.Host, "an upload goes on elsewhere")
	return at
}

func withDigest(at string, content []byte) string {
	sep := "?"
	if strings.Contains(at, "?") {
		sep = "&"
	}
	return at + sep + "digest=sha256:" + sha256Hex(content)
}

func (u uploader) blob(content []byte) string {
	return "http://" + u.host + "/v2/" + u.repository + "/blobs/sha256:" + sha256Hex(content)
}

// requireStored checks that a blob comes back.
func (u uploader) requireStored(content []byte) {
	u.t.Helper()
	got := u.send(http.StatusOK, http.MethodGet, u.blob(content), nil)
	require.True(u.t, bytes.Equal(content, got.body), "another content")
}

// layerContent is one that no registry has.
func layerContent(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.Read(content) // it never fails
	return content
}

func testMonolithicUpload(u uploader) {
	content := layerContent(1 << 20)
	got := u.send(http.StatusCreated, http.MethodPut, withDigest(u.start(), content), bytes.NewReader(content), "Content-Type", "application/octet-stream")
	require.Equal(u.t, "sha256:"+sha256Hex(content), got.header.Get("Docker-Content-Digest"))
	u.location(got.header.Get("Location"))
	u.requireStored(content)
}

func testUploadInChunks(u uploader) {
	content, at := layerContent(300_000), u.start()
	for from := 0; from < len(content); from += 100_000 {
		to := min(from+100_000, len(content))
		got := u.send(http.StatusAccepted, http.MethodPatch, at, bytes.NewReader(content[from:to]),
			"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", from, to-1))
		require.Equal(u.t, fmt.Sprintf("0-%d", to-1), got.header.Get("Range"))
		at = u.location(got.header.Get("Location"))
	}
	u.send(http.StatusCreated, http.MethodPut, withDigest(at, content), nil)
	u.requireStored(content)
}

func testUploadOfUnknownLength(u uploader) {
	content := layerContent(1 << 20)
	// A reader of which nobody knows the length is sent in chunks of HTTP.
	got := u.send(http.StatusAccepted, http.MethodPatch, u.start(), io.MultiReader(bytes.NewReader(content)), "Content-Type", "application/octet-stream")
	u.send(http.StatusCreated, http.MethodPut, withDigest(u.location(got.header.Get("Location")), content), nil)
	u.requireStored(content)
}

func testUploadWithWrongDigest(u uploader) {
	content := layerContent(1000)
	got := u.send(http.StatusBadRequest, http.MethodPut, withDigest(u.start(), layerContent(10)), bytes.NewReader(content))
	require.Contains(u.t, string(got.body), "DIGEST_INVALID")
	u.send(http.StatusNotFound, http.MethodHead, u.blob(content), nil)
}

func testCancelledUpload(u uploader) {
	content := layerContent(1000)
	got := u.send(http.StatusAccepted, http.MethodPatch, u.start(), bytes.NewReader(content), "Content-Type", "application/octet-stream")
	at := u.location(got.header.Get("Location"))
	u.send(http.StatusNoContent, http.MethodDelete, at, nil)
	u.send(http.StatusNotFound, http.MethodGet, at, nil)
}

// testResumedUpload cuts the connection in the middle of a body, and goes on where the registry says. Version 2.8 says nothing, and
// begins anew.
func testResumedUpload(u uploader) {
	content, at := layerContent(4<<20), u.start()
	half := len(content) / 2
	conn, target := u.dial(at)
	_, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
		target.RequestURI(), target.Host, u.token, len(content))
	require.NoError(u.t, err)
	_, err = conn.Write(content[:half])
	require.NoError(u.t, err)
	require.NoError(u.t, conn.Close())

	if u.kind == registry.V2 {
		u.send(http.StatusCreated, http.MethodPut, withDigest(u.start(), content), bytes.NewReader(content))
		u.requireStored(content)
		return
	}
	var status uploadAnswer
	end := -1
	require.Eventually(u.t, func() bool { // it may still write what it has
		var err error
		if status, err = u.ask(http.MethodGet, at, nil); err != nil || status.status != http.StatusNoContent {
			return false
		}
		before := end
		_, err = fmt.Sscanf(status.header.Get("Range"), "0-%d", &end)
		return err == nil && end == before
	}, 20*time.Second, 200*time.Millisecond)
	stored := 0
	if end > 0 { // 0-0 is how nothing is said
		stored = end + 1
	}
	require.LessOrEqual(u.t, stored, half)
	at = u.location(status.header.Get("Location"))
	got := u.send(http.StatusAccepted, http.MethodPatch, at, bytes.NewReader(content[stored:]),
		"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", stored, len(content)-1))
	u.send(http.StatusCreated, http.MethodPut, withDigest(u.location(got.header.Get("Location")), content), nil)
	u.requireStored(content)
}

func testRangesAndHead(u uploader) {
	content := layerContent(10_000)
	u.send(http.StatusCreated, http.MethodPut, withDigest(u.start(), content), bytes.NewReader(content))
	got := u.send(http.StatusOK, http.MethodHead, u.blob(content), nil)
	assert.Equal(u.t, "10000", got.header.Get("Content-Length"))
	assert.Empty(u.t, got.body)
	for given, want := range map[string][]byte{"bytes=10-19": content[10:20], "bytes=9990-": content[9990:], "bytes=-5": content[9995:]} {
		got := u.send(http.StatusPartialContent, http.MethodGet, u.blob(content), nil, "Range", given)
		assert.Equal(u.t, want, got.body, given)
		assert.Contains(u.t, got.header.Get("Content-Range"), "/10000", given)
	}
}

// testExpectContinue sends no byte of a layer before it is told to go on.
func testExpectContinue(u uploader) {
	content, at := layerContent(1000), u.start()
	conn, target := u.dial(at)
	defer conn.Close()
	r := bufio.NewReader(conn)
	u.expect(conn, target, http.MethodPatch, len(content), "Authorization: Bearer "+u.token+"\r\n")
	resp, err := http.ReadResponse(r, nil)
	require.NoError(u.t, err)
	require.Equal(u.t, http.StatusContinue, resp.StatusCode)
	_, err = conn.Write(content)
	require.NoError(u.t, err)
	for resp.StatusCode == http.StatusContinue { // a proxy hands on that of the registry, too
		resp, err = http.ReadResponse(r, nil)
		require.NoError(u.t, err)
	}
	require.Equal(u.t, http.StatusAccepted, resp.StatusCode)
	require.NoError(u.t, resp.Body.Close())
	u.send(http.StatusCreated, http.MethodPut, withDigest(u.location(resp.Header.Get("Location")), content), nil)
	u.requireStored(content)
}

func (u uploader) expect(conn net.Conn, target *url.URL, method string, length int, header string) {
	u.t.Helper()
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		method, target.RequestURI(), target.Host, header, length)
	require.NoError(u.t, err)
}

// dial opens a connection on which a request is written by hand.
func (u uploader) dial(at string) (net.Conn, *url.URL) {
	u.t.Helper()
	target, err := url.Parse(at)
	require.NoError(u.t, err)
	ctx, stop := context.WithTimeout(u.t.Context(), 10*time.Second)
	defer stop()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", target.Host)
	require.NoError(u.t, err)
	require.NoError(u.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn, target
}
