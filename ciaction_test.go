package dockit_test

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// action is what counts of an action.yml.
type action struct {
	Inputs map[string]struct {
		Description string
		Required    bool
		Default     *string
	}
	Runs struct {
		Using string
		Steps []struct {
			Name, Uses, Run, Shell string
			Env                    map[string]string
		}
	}
}

func readAction(t *testing.T) action {
	t.Helper()
	var a action
	require.NoError(t, yaml.Unmarshal([]byte(contentOf(t, "action.yml")), &a))
	require.Equal(t, "composite", a.Runs.Using)
	require.NotEmpty(t, a.Runs.Steps)
	return a
}

// TestActionReadsInputsAsText: what an input says reaches the shell as the value of a
// variable, and never as a part of the script.
func TestActionReadsInputsAsText(t *testing.T) {
	a := readAction(t)
	input, used := regexp.MustCompile(`^\$\{\{ inputs\.([a-z]+) \}\}$`), map[string]bool{}
	for _, step := range a.Runs.Steps {
		assert.NotContains(t, step.Run, "${{", "an expression in a script is replaced before the shell reads it")
		for name, value := range step.Env {
			match := input.FindStringSubmatch(value)
			if assert.NotNil(t, match, "%s=%s", name, value) {
				assert.Contains(t, a.Inputs, match[1])
				assert.Regexp(t, `\$\{?`+name+`\b`, step.Run, "a variable that nothing reads")
				used[match[1]] = true
			}
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(a.Inputs)), slices.Collect(maps.Keys(used)), "an input that nothing reads")
	for name, i := range a.Inputs {
		assert.NotEmpty(t, i.Description, name)
		assert.Equal(t, i.Required, i.Default == nil, "%s: what is not required has a default", name)
	}
}

// TestActionBringsNothing: it runs what stands in it, with what a runner has, so that
// there is nothing to pin but the action itself.
func TestActionBringsNothing(t *testing.T) {
	for _, step := range readAction(t).Runs.Steps {
		assert.Empty(t, step.Uses, "%s: an action of others", step.Name)
		assert.Equal(t, "bash", step.Shell, "%s: a step that runs something needs a shell", step.Name)
		for _, word := range []string{"wget", "apt", "--output", "chmod", "eval", "set -x", "--password ", "--location", "--insecure", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH"} {
			assert.NotContains(t, step.Run, word)
		}
		assert.Regexp(t, `(?m)^echo "::add-mask::\$token"$`, step.Run, "the log shows the token")
		assert.NotRegexp(t, `(?m)^.*\$\{?ACTIONS_ID_TOKEN_REQUEST_TOKEN\}?.*curl`, step.Run, "others on the machine read the arguments of programs")
		checkShell(t, step.Run)
	}
}

// checkShell has shells say whether a script can be run.
func checkShell(t *testing.T, script string) {
	t.Helper()
	for _, shell := range []string{"sh", "bash"} {
		cmd := exec.CommandContext(t.Context(), shell, "-n")
		cmd.Stdin = strings.NewReader(script)
		output, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s\n%s", shell, output, script)
	}
}
