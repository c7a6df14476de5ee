package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// version is what a commit is released as here.
const version = "1.2.3"

// programs are those that are released, each with the systems that it is for.
var programs = []struct {
	name    string
	systems []string
}{
	{"dockit", []string{"linux", "darwin", "windows", "freebsd"}},
	{"dockit-credential-provider", []string{"linux", "windows"}},
	{"dockit-kubernetes", []string{"linux", "darwin", "windows"}},
}

// tags are those that a program is built with.
var tags = map[string]string{"dockit": build.Tags, "dockit-credential-provider": "nethttpomithttp2"}

// platform is one of those that a program is released for.
type platform struct{ program, os, arch string }

func (p platform) String() string { return p.program + "_" + version + "_" + p.os + "_" + p.arch }

// systems are those that are looked at: all, unless DOCKIT_TEST_SYSTEMS says which. Linux is always one.
func systems() []string {
	if some := strings.Fields(os.Getenv("DOCKIT_TEST_SYSTEMS")); len(some) > 0 {
		return some
	}
	return programs[0].systems
}

func platforms() []platform {
	var all []platform
	for _, program := range programs {
		for _, system := range program.systems {
			for _, arch := range []string{"amd64", "arm64"} {
				nowhere := program.name == "dockit-credential-provider" && system == "windows" && arch == "arm64"
				if !nowhere && slices.Contains(systems(), system) {
					all = append(all, platform{program.name, system, arch})
				}
			}
		}
	}
	return all
}

// archive is the file of a platform.
func (p platform) archive() string {
	if p.os == "windows" {
		return p.String() + ".zip"
	}
	return p.String() + ".tar.gz"
}

// sbom is the document about the program of a platform.
func (p platform) sbom() string { return p.String() + ".sbom.json" }

// packages are those of Linux.
func packages(format string) []string {
	return []string{"dockit_" + version + "_linux_amd64." + format, "dockit_" + version + "_linux_arm64." + format}
}

// release is what goreleaser has made.
type release struct {
	// root is the checkout, dist the folder with everything.
	root, dist string
	commit     string
	// time is that of the commit.
	time time.Time
}

// TestRelease tags the commit that is checked out, in a clone, and makes its release there as a maintainer would.
func TestRelease(t *testing.T) {
	r := makeRelease(t)
	t.Run("files", r.testFiles)
	t.Run("archives", r.testArchives)
	t.Run("programs", r.testPrograms)
	t.Run("SBOMs", r.testSBOMs)
	t.Run("deb", r.testDeb)
	t.Run("rpm", r.testRPM)
	t.Run("image", r.testImage)
}

func makeRelease(t *testing.T) *release {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	clone := filepath.Join(t.TempDir(), "dockit")
	run(t, root, "git", "clone", "--quiet", root, clone)
	config := filepath.Join(clone, ".goreleaser.yaml")
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	only := regexp.MustCompile(`(?m)^    goos: \[.*\]$`).ReplaceAllFunc(content, func(line []byte) []byte {
		given, _ := strings.CutSuffix(strings.TrimPrefix(string(line), "    goos: ["), "]")
		some := slices.DeleteFunc(strings.Split(given, ", "), func(system string) bool { return !slices.Contains(systems(), system) })
		return []byte("    goos: [" + strings.Join(some, ", ") + "]")
	})
	require.NoError(t, os.WriteFile(config, only, 0o600))
	git := func(args ...string) {
		run(t, clone, "git", append([]string{"-c", "user.name=Dockit", "-c", "user.email=dockit@example.com", "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false"}, args...)...)
	}
	if !bytes.Equal(content, only) {
		git("commit", "--quiet", "--all", "--message", "fewer systems")
	}
	git("tag", "--annotate", "v"+version, "--message", version)
	// The tools are those of the checkout: make finds them there.
	require.NoError(t, os.Mkdir(filepath.Join(clone, "bin"), 0o700))
	for _, pattern := range []string{"goreleaser-*", "syft-*"} {
		tools, err := filepath.Glob(filepath.Join(root, "bin", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, tools, "bin/%s is not there: make release-check gets it", pattern)
		for _, tool := range tools {
			require.NoError(t, os.Symlink(tool, filepath.Join(clone, "bin", filepath.Base(tool))))
		}
	}
	began := time.Now()
	run(t, clone, "make", "release")
	t.Logf("made in %s", time.Since(began).Round(time.Second))
	seconds, err := strconv.ParseInt(run(t, clone, "git", "log", "-1", "--format=%ct"), 10, 64)
	require.NoError(t, err)
	return &release{root: root, dist: filepath.Join(clone, "dist"), commit: run(t, clone, "git", "rev-parse", "HEAD"), time: time.Unix(seconds, 0).UTC()}
}

// run runs a program that must succeed, and returns what it printed.
func run(t *testing.T, folder, program string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "MAKEFLAGS=", "LC_ALL=C.UTF-8")
	var output, problems bytes.Buffer
	command.Stdout, command.Stderr = &output, &problems
	require.NoError(t, command.Run(), "%s %s\n%s%s", program, strings.Join(args, " "), &output, &problems)
	return strings.TrimSpace(output.String())
}

func (r *release) path(file string) string { return filepath.Join(r.dist, file) }

// testFiles checks that there is nothing more and nothing less than what is published, and that the checksums are of that.
func (r *release) testFiles(t *testing.T) {
	source := "dockit-" + version + ".tar.gz"
	want := append(append([]string{source}, packages("deb")...), packages("rpm")...)
	for _, p := range platforms() {
		want = append(want, p.archive(), p.sbom())
	}
	entries, err := os.ReadDir(r.dist)
	require.NoError(t, err)
	var got []string
	for _, entry := range entries {
		// What goreleaser notes for itself.
		if name := entry.Name(); !entry.IsDir() && name != "artifacts.json" && name != "metadata.json" && name != "config.yaml" && name != "checksums.txt" {
			got = append(got, name)
		}
	}
	require.ElementsMatch(t, want, got)

	content, err := os.ReadFile(r.path("checksums.txt"))
	require.NoError(t, err)
	var listed []string
	for line := range strings.Lines(string(content)) {
		sum, file, found := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, found, line)
		listed = append(listed, file)
		data, err := os.ReadFile(r.path(file))
		require.NoError(t, err)
		got := sha256.Sum256(data)
		assert.Equal(t, hex.EncodeToString(got[:]), sum, file)
	}
	assert.ElementsMatch(t, want, listed)

	for name := range strings.FieldsSeq(run(t, r.dist, "tar", "-tzf", source)) {
		assert.Equal(t, "dockit-"+version, strings.Split(name, "/")[0], "the source leaves its folder")
	}
}

// goVersion is what the module in a folder requires of another.
func (r *release) goVersion(t *testing.T, folder, module string) string {
	t.Helper()
	return run(t, filepath.Join(r.root, folder), "go", "list", "-m", "-f", "{{.Version}}", module)
}

// wantVersion runs the program of a platform, by another one where the machine needs it.
func (r *release) wantVersion(t *testing.T, p platform, by ...string) {
	t.Helper()
	argument := "version"
	if p.program == "dockit-credential-provider" {
		argument = "--version"
	}
	command := append(by, r.extract(t, p), argument)
	out := run(t, t.TempDir(), command[0], command[1:]...)
	assert.Contains(t, out, "v"+version)
	assert.Contains(t, out, r.commit)
}
