package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// goBase makes a file system with what the Dockerfile uses of the image of Go: the Go of this machine, a shell, mkdir, and the
// authorities that this machine trusts.
func goBase(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	for _, folder := range []string{"usr/local", "usr/local/bin", "bin", "usr/bin", "etc/ssl/certs", "root", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(base, folder), 0o755))
	}
	goroot := output(t, "go", "env", "GOROOT")
	require.NoError(t, os.CopyFS(filepath.Join(base, "usr", "local", "go"), os.DirFS(goroot)))
	require.NoError(t, os.Symlink("../go/bin/go", filepath.Join(base, "usr", "local", "bin", "go")))
	for _, program := range []string{"sh", "mkdir"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		path, err = filepath.EvalSymlinks(path)
		require.NoError(t, err)
		put(t, path, filepath.Join(base, "bin", program))
		for _, match := range library.FindAllStringSubmatch(output(t, "ldd", path), -1) {
			put(t, match[1], filepath.Join(base, match[1]))
		}
	}
	put(t, authorities(t), filepath.Join(base, "etc", "ssl", "certs", "ca-certificates.crt"))
	return base
}

var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// authorities is the file of those that this machine trusts.
func authorities(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return file
	}
	return "/etc/ssl/certs/ca-certificates.crt"
}

func put(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, content, 0o755))
}

func output(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command, args...).Output()
	require.NoError(t, err, "%s %v", command, args)
	return strings.TrimSpace(string(out))
}

// scannerAt puts the image of a scanner into an open registry of its own, and returns its name.
func scannerAt(t *testing.T, root string) string {
	t.Helper()
	folder := t.TempDir()
	scanner, err := build.Tool(t.Context(), folder, "github.com/dockit-registry/dockit/e2e/image/scanner")
	require.NoError(t, err)
	syfts, err := filepath.Glob(filepath.Join(root, "bin", "syft-*", "syft"))
	require.NoError(t, err)
	require.NotEmpty(t, syfts, "bin/syft-*/syft is not there: make image-check gets it")
	binary, err := registry.V3.Binary(t.Context(), folder)
	require.NoError(t, err)
	free, err := port.Free(t.Context())
	require.NoError(t, err)
	r, err := registry.Start(t.Context(), registry.Config{Binary: binary, Dir: folder, Port: free, Open: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Stop()) })

	layer := new(bytes.Buffer)
	w := tar.NewWriter(layer)
	for _, file := range [][2]string{{"scanner", scanner}, {"syft", syfts[len(syfts)-1]}} {
		content, err := os.ReadFile(file[1])
		require.NoError(t, err)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: file[0], Mode: 0o755, Size: int64(len(content))}))
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o777}))
	require.NoError(t, w.Close())
	added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	require.NoError(t, err)
	image, err := mutate.AppendLayers(empty.Image, added)
	require.NoError(t, err)
	file, err := image.ConfigFile()
	require.NoError(t, err)
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{Entrypoint: []string{"/scanner"}}
	image, err = mutate.ConfigFile(image, file)
	require.NoError(t, err)
	ref, err := name.ParseReference(r.Host + "/scanner:latest")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image, remote.WithContext(t.Context())))
	return ref.Name()
}
