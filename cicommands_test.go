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

	"github.com/dockit-registry/dockit"
)

// TestCommandsToPaste: every command of dockit in the guide for CI and the examples is one,
// with flags and arguments that it takes.
func TestCommandsToPaste(t *testing.T) {
	found := 0
	for _, match := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(contentOf(t, "docs/guides/ci.md"), -1) {
		for _, arguments := range commandsOf(t, match[1]) {
			assertCommand(t, arguments)
			found++
		}
	}
	assert.Greater(t, found, 20, "commands in the guide")

	comment := regexp.MustCompile(`(?m)^//   (dockit .*)$`).FindStringSubmatch(contentOf(t, ciExample("jenkins/Jenkinsfile")))
	require.NotNil(t, comment)
	for _, arguments := range commandsOf(t, comment[1]) {
		assertCommand(t, arguments)
	}
	for _, document := range documents(t, ciExample("kubernetes/job.yaml")) {
		if as[string](t, document, "kind") == "Job" {
			assertCommand(t, as[[]string](t, document, "spec", "template", "spec", "initContainers", "-", "args"))
		}
	}
}

// commandsOf has a shell run a script in which every program but dockit says what a
// repository's number could be. It returns the arguments of each dockit.
func commandsOf(t *testing.T, script string) [][]string {
	t.Helper()
	programs, noted := t.TempDir(), filepath.Join(t.TempDir(), "noted")
	for _, program := range []string{"gh", "git", "kubectl"} {
		require.NoError(t, os.WriteFile(filepath.Join(programs, program), []byte("#!/bin/sh\necho 74\n"), 0o700))
	}
	note := "#!/bin/sh\n{ printf '%s\\0' \"$@\"; printf '\\n'; } >>\"$NOTED\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(programs, "dockit"), []byte(note), 0o700))
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), shell, "-eu")
	cmd.Stdin, cmd.Env = strings.NewReader(script), []string{"PATH=" + programs, "NOTED=" + noted}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, output)
	content, err := os.ReadFile(noted)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var commands [][]string
	for line := range strings.Lines(string(content)) {
		commands = append(commands, strings.Split(strings.TrimSuffix(line, "\x00\n"), "\x00"))
	}
	return commands
}

func assertCommand(t *testing.T, arguments []string) {
	t.Helper()
	root := dockit.NewCommand()
	cmd, rest, err := root.Find(arguments)
	require.NoError(t, err, "%q", arguments)
	assert.False(t, cmd.HasSubCommands(), "%q: there is no such command", arguments)
	require.NoError(t, cmd.ParseFlags(rest), "%q", arguments)
	require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), "%q", arguments)
	require.NoError(t, cmd.ValidateRequiredFlags(), "%q", arguments)
}
