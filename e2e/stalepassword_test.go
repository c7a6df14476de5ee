package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestStalePasswordLocksNobodyOut pushes an image of twelve layers again and again with the password of the past that
// docker login stored. Docker asks for a token for every layer. The right password is good at once.
func TestStalePasswordLocksNobodyOut(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3)
	e := startEngine(t)
	alice := s.addUser(t, "alice")
	image := s.repository(t, alice.ref())
	docker := e.docker(t)
	require.NoError(t, docker.login(s.registry.Host, alice.username, alice.password))
	home := filepath.Dir(filepath.Dir(docker.config))
	run := func(stdin string, args ...string) error { return e.Docker(t.Context(), home, stdin, args...) }
	require.NoError(t, run(string(imageOfLayers(t, image, 12)), "load"))

	const changed = "another password of alice"
	_, err := s.admin.RunInput(t.Context(), changed, "rbac", "change-password", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	for range 3 {
		require.ErrorContains(t, run("", "push", image), "invalid username or password")
	}
	require.Regexp(t, `(?m)^`+alice.username+` +\S+ +1 `, s.rbac(t, "lockouts", "list"), "the wrong password is counted more than once")
	require.NoError(t, docker.login(s.registry.Host, alice.username, changed))
	require.NoError(t, run("", "push", image))
}

// imageOfLayers is what docker load reads: an image with layers that no registry has.
func imageOfLayers(t *testing.T, ref string, layers int) []byte {
	t.Helper()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	add := func(to *tar.Writer, name string, content []byte) {
		t.Helper()
		require.NoError(t, to.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := to.Write(content)
		require.NoError(t, err)
	}
	var paths, diffs []string
	for i := range layers {
		var layer bytes.Buffer
		content := tar.NewWriter(&layer)
		add(content, fmt.Sprint("file", i), []byte(strings.Repeat(t.Name()+ref, 10+i)))
		require.NoError(t, content.Close())
		path := fmt.Sprintf("layer%d.tar", i)
		add(files, path, layer.Bytes())
		paths, diffs = append(paths, `"`+path+`"`), append(diffs, `"sha256:`+sha256Hex(layer.Bytes())+`"`)
	}
	add(files, "config.json", fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}`, strings.Join(diffs, ",")))
	add(files, "manifest.json", fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":[%q],"Layers":[%s]}]`, ref, strings.Join(paths, ",")))
	require.NoError(t, files.Close())
	return archive.Bytes()
}

func sha256Hex(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
