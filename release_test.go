package dockit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// releaseConfig is what this test reads of the configuration of releases; `make release-check` has goreleaser itself read it.
type releaseConfig struct {
	Version int
	Before  struct{ Hooks []string }
	Builds  []struct {
		ID, Dir      string
		Main, Binary string
		Env          []string
		GOOS         []string `yaml:"goos"`
		GOARCH       []string `yaml:"goarch"`
		Ignore       []map[string]string
		Flags, Tags  []string
		LDFlags      []string `yaml:"ldflags"`
		Timestamp    string   `yaml:"mod_timestamp"`
	}
	Archives []struct {
		ID    string
		IDs   []string `yaml:"ids"`
		Files []struct{ Src string }
	}
	Checksum struct{ Algorithm string }
	SBOMs    []struct{ Artifacts string } `yaml:"sboms"`
	NFPMs    []struct {
		IDs      []string `yaml:"ids"`
		Formats  []string
		Contents []struct{ Src, Dst string }
		Scripts  map[string]string
	} `yaml:"nfpms"`
}

func readReleaseConfig(t *testing.T) releaseConfig {
	t.Helper()
	var config releaseConfig
	require.NoError(t, yaml.Unmarshal([]byte(contentOf(t, ".goreleaser.yaml")), &config))
	require.Equal(t, 2, config.Version)
	return config
}

// TestReleaseBuildsEveryProgram guards that each program is built as make does, for the platforms that it is for, in the same way as
// Dockit itself, and stands in an archive of its own.
func TestReleaseBuildsEveryProgram(t *testing.T) {
	config, makefile := readReleaseConfig(t), contentOf(t, "Makefile")
	made := map[string]string{
		"dockit":                     "go build -trimpath -tags $(TAGS) -o bin/dockit ./cmd/dockit\n",
		"dockit-credential-provider": "-tags nethttpomithttp2 -ldflags '-s -w' -o bin/dockit-credential-provider ./cmd/dockit-credential-provider\n",
		"dockit-kubernetes":          "go build -C kubernetes -trimpath -ldflags '-s -w' -o ../bin/dockit-kubernetes ./cmd/dockit-kubernetes\n",
	}
	platforms := map[string][]string{
		"dockit":                     {"linux", "darwin", "windows", "freebsd"},
		"dockit-credential-provider": {"linux", "windows"},
		"dockit-kubernetes":          {"linux", "darwin", "windows"},
	}
	require.Len(t, config.Builds, len(made))
	require.Len(t, config.Archives, len(made))
	for i, build := range config.Builds {
		assert.Equal(t, build.ID, build.Binary)
		assert.Contains(t, makefile, made[build.ID], build.ID)
		assert.FileExists(t, filepath.Join(build.Dir, build.Main, "main.go"))
		assert.ElementsMatch(t, platforms[build.ID], build.GOOS, build.ID)
		assert.ElementsMatch(t, []string{"amd64", "arm64"}, build.GOARCH, build.ID)
		if build.ID == "dockit-credential-provider" {
			assert.Equal(t, []string{"nethttpomithttp2"}, build.Tags)
			assert.Equal(t, []map[string]string{{"goos": "windows", "goarch": "arm64"}}, build.Ignore, "no kubelet runs there")
		} else {
			assert.Empty(t, build.Ignore, build.ID)
		}
		first := config.Builds[0]
		assert.Equal(t, []any{first.Env, first.Flags, first.LDFlags, first.Timestamp}, []any{build.Env, build.Flags, build.LDFlags, build.Timestamp}, build.ID)
		assert.Equal(t, []string{build.ID, build.ID}, append(config.Archives[i].IDs, config.Archives[i].ID))
	}
}

// TestReleaseBuildsAsDocumented guards that a release is what `make build` and the image are: the same tags and variables,
// and nothing of the machine in it.
func TestReleaseBuildsAsDocumented(t *testing.T) {
	config := readReleaseConfig(t)
	build := config.Builds[0]
	tags := strings.Join(build.Tags, ",")
	assert.Contains(t, contentOf(t, "Makefile"), "TAGS          := "+tags+"\n")
	image, reproducible := contentOf(t, "Dockerfile"), contentOf(t, "scripts/reproducible")
	assert.Contains(t, image, "-tags "+tags+" ")
	assert.Contains(t, reproducible, "tags="+tags+"\n")
	assert.Equal(t, []string{"CGO_ENABLED=0"}, build.Env)
	assert.ElementsMatch(t, []string{"-trimpath", "-buildvcs=false"}, build.Flags)
	assert.Equal(t, "{{ .CommitTimestamp }}", build.Timestamp)
	flags := strings.Join(build.LDFlags, " ")
	variables := regexp.MustCompile(`-X (\S+?)=`).FindAllStringSubmatch(flags, -1)
	require.Len(t, variables, 2)
	code := contentOf(t, "internal/version/version.go")
	for _, variable := range variables {
		name, ours := strings.CutPrefix(variable[1], "github.com/dockit-registry/dockit/internal/version.")
		assert.True(t, ours, variable[1])
		assert.Regexp(t, `(?m)^\t`+name+` +string$`, code)
		assert.Equal(t, 2, strings.Count(image, variable[1]), "of dockit and dockit-kubernetes")
		assert.Contains(t, reproducible, variable[1])
	}
	assert.Contains(t, flags, "version.Version={{ .Tag }}", "the version is that of the tag")
}

// TestReleaseHoldsWhatItPromises guards that every file of archives and packages is there, or is made before.
func TestReleaseHoldsWhatItPromises(t *testing.T) {
	config := readReleaseConfig(t)
	require.Len(t, config.NFPMs, 1)
	assert.Equal(t, []string{"dockit"}, config.NFPMs[0].IDs)
	var sources []string
	for _, archive := range config.Archives {
		assert.Equal(t, "LICENSE", archive.Files[0].Src, archive.ID)
		for _, file := range archive.Files {
			sources = append(sources, file.Src)
		}
	}
	packages, installed := config.NFPMs[0], make(map[string]bool)
	for _, file := range packages.Contents {
		sources = append(sources, file.Src)
		installed[file.Dst] = true
	}
	for _, script := range packages.Scripts {
		sources = append(sources, script)
		out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.Len(t, config.Before.Hooks, 1)
	hook := strings.Fields(config.Before.Hooks[0])
	info, err := os.Stat(hook[0])
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&0o100, "%s is no program", hook[0])
	for _, source := range sources {
		if strings.HasPrefix(source, hook[1]+"/") {
			continue
		}
		found, err := filepath.Glob(source)
		require.NoError(t, err)
		assert.NotEmpty(t, found, "there is no %s", source)
	}
	assert.ElementsMatch(t, []string{"deb", "rpm"}, packages.Formats)
	for _, path := range []string{"/usr/lib/systemd/system/dockit.service", "/usr/lib/systemd/system/dockit.socket", "/usr/share/man/man1/", "/usr/share/bash-completion/completions/dockit"} {
		assert.True(t, installed[path], "no package has %s", path)
	}
	assert.Contains(t, contentOf(t, "examples/systemd/dockit.service"), "/etc/dockit/encryption-key", "what packaging/postinstall makes")
	assert.Contains(t, contentOf(t, "packaging/postinstall"), "/etc/dockit/encryption-key")
	assert.Equal(t, "sha256", config.Checksum.Algorithm)
	assert.NotEmpty(t, config.SBOMs)
}

// TestReleaseIsAsOfACommit guards that nothing is made as of a time that no commit has, which goreleaser gives for a snapshot of a
// checkout that it does not understand.
func TestReleaseIsAsOfACommit(t *testing.T) {
	for _, time := range []string{"", "-62135596800", "yesterday"} {
		folder := filepath.Join(t.TempDir(), "files")
		out, err := exec.CommandContext(t.Context(), "scripts/package-files", folder, time).CombinedOutput()
		require.Error(t, err, "%q", time)
		assert.Contains(t, string(out), "is no time of a commit", "%q", time)
		assert.NoDirExists(t, folder)
	}
}
