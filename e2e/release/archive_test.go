package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

// file is one of an archive.
type file struct {
	mode    fs.FileMode
	time    time.Time
	owner   string
	content []byte
}

// file is the name of the program in the archive of a platform.
func (p platform) file() string {
	if p.os == "windows" {
		return p.program + ".exe"
	}
	return p.program
}

// unpack reads the archive of a platform.
func (r *release) unpack(t *testing.T, p platform) map[string]file {
	t.Helper()
	data, err := os.ReadFile(r.path(p.archive()))
	require.NoError(t, err)
	if p.os == "windows" {
		return unzip(t, data)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	return untar(t, unzipped)
}

func unzip(t *testing.T, data []byte) map[string]file {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	files := make(map[string]file)
	for _, entry := range reader.File {
		content, err := fs.ReadFile(reader, entry.Name)
		require.NoError(t, err)
		files[entry.Name] = file{mode: entry.Mode().Perm(), time: entry.Modified.UTC(), owner: "root:root", content: content} // it knows none
	}
	return files
}

func untar(t *testing.T, archive io.Reader) map[string]file {
	t.Helper()
	files := make(map[string]file)
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		require.Zero(t, header.Uid+header.Gid, header.Name)
		files[path.Clean(header.Name)] = file{header.FileInfo().Mode().Perm(), header.ModTime.UTC(), header.Uname + ":" + header.Gname, content}
	}
}

// testArchives checks that each has everything, of its commit's time and nobody's in particular.
func (r *release) testArchives(t *testing.T) {
	for _, p := range platforms() {
		files := r.unpack(t, p)
		beside := []string{"LICENSE"}
		if p.program == "dockit" {
			beside = append(beside, "README.md", "CHANGELOG.md", "man/dockit.1", "man/dockit-api-server.1", "man/dockit-rbac-token-create.1",
				"completions/dockit.bash", "completions/_dockit", "completions/dockit.fish", "systemd/dockit.service", "systemd/dockit.socket")
		} else {
			assert.Len(t, files, 2, p)
		}
		for _, name := range beside {
			assert.NotEmpty(t, files[name].content, "%s lacks %s", p, name)
			assert.Equal(t, fs.FileMode(0o644), files[name].mode, "%s: %s", p, name)
		}
		require.Contains(t, files, p.file(), p)
		assert.Equal(t, fs.FileMode(0o755), files[p.file()].mode, p)
		for name, f := range files {
			assert.Equal(t, r.time, f.time, "%s: %s", p, name)
			assert.Equal(t, "root:root", f.owner, "%s: %s", p, name)
		}
		info, err := buildinfo.Read(bytes.NewReader(files[p.file()].content))
		require.NoError(t, err, p)
		settings := make(map[string]string)
		for _, setting := range info.Settings {
			settings[setting.Key] = setting.Value
		}
		assert.Equal(t, []string{p.os, p.arch, "0", tags[p.program], "true"},
			[]string{settings["GOOS"], settings["GOARCH"], settings["CGO_ENABLED"], settings["-tags"], settings["-trimpath"]}, p)
		assert.NotContains(t, string(files[p.file()].content), r.root, "a path of this machine")
	}
}

// testPrograms runs what can run here: this machine's, and arm64 by qemu.
func (r *release) testPrograms(t *testing.T) {
	if runtime.GOOS != "linux" {
		cannot.Run(t, errors.New("the programs for Linux run on Linux"))
	}
	for _, program := range programs {
		r.wantVersion(t, platform{program.name, runtime.GOOS, runtime.GOARCH})
	}
	t.Run("arm64", func(t *testing.T) {
		if runtime.GOARCH == "arm64" {
			return
		}
		qemu := filepath.Join(r.root, "bin", "packaging", "qemu-aarch64-static")
		if _, err := os.Stat(qemu); err != nil {
			cannot.Run(t, fmt.Errorf("%w: run scripts/get-packaging bin/packaging", err))
		}
		for _, program := range programs {
			r.wantVersion(t, platform{program.name, "linux", "arm64"}, qemu)
		}
	})
}

// extract puts the program of a platform into a folder.
func (r *release) extract(t *testing.T, p platform) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), p.file())
	require.NoError(t, os.WriteFile(program, r.unpack(t, p)[p.file()].content, 0o700))
	return program
}

// testSBOMs checks that each says what is inside.
func (r *release) testSBOMs(t *testing.T) {
	for _, p := range platforms() {
		content, err := os.ReadFile(r.path(p.sbom()))
		require.NoError(t, err)
		var bill struct {
			Version  string                      `json:"spdxVersion"`
			Creation struct{ Created time.Time } `json:"creationInfo"`
			Packages []struct {
				Name    string `json:"name"`
				Version string `json:"versionInfo"`
			}
		}
		require.NoError(t, json.Unmarshal(content, &bill), p)
		assert.Equal(t, "SPDX-2.3", bill.Version)
		assert.Equal(t, r.time, bill.Creation.Created.UTC(), p)
		inside := make(map[string]string)
		for _, one := range bill.Packages {
			inside[one.Name] = one.Version
		}
		switch p.program {
		case "dockit":
			for _, module := range []string{"github.com/caddyserver/caddy/v2", "modernc.org/sqlite"} {
				assert.Equal(t, r.goVersion(t, ".", module), inside[module], "%s: %s", p, module)
			}
		case "dockit-kubernetes":
			assert.Equal(t, r.goVersion(t, "kubernetes", "k8s.io/client-go"), inside["k8s.io/client-go"], p)
		default:
			assert.Contains(t, inside, "stdlib", p)
		}
	}
}
