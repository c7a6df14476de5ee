package cli

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
)

// execute runs dockit with the arguments and returns what came of it.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := NewCommand()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetIn(bytes.NewReader(nil))
	code = Execute(cmd, args)
	return code, out.String(), errs.String()
}

func TestEveryCommandSaysWhatItIs(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		assert.NotNil(t, cmd.Args, "%s takes any argument", cmd.CommandPath())
		assert.NotNil(t, cmd.RunE, "%s succeeds without doing anything", cmd.CommandPath())
		if !cmd.HasSubCommands() {
			assert.NotEmpty(t, cmd.Example, "%s shows no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(NewCommand())
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"nothing"},
		{"rbac"},
		{"rbac", "nothing"},
		{"rbac", "nothing", "--colour"},
		{"--colour"},
		{"rbac", "list", "users", "--timeout", "soon"},
		{"version", "now"},
		{"init-container"},
	} {
		code, stdout, stderr := execute(t, args...)
		assert.Equal(t, 2, code, "%v", args)
		assert.Empty(t, stdout, "%v", args)
		assert.Equal(t, 1, bytes.Count([]byte(stderr), []byte("Error:")), "%v: %s", args, stderr)
		assert.Contains(t, stderr, "--help'.", "%v", args)
	}
}

func TestVersion(t *testing.T) {
	code, stdout, stderr := execute(t, "version", "-o", "json")
	assert.Equal(t, 0, code)
	assert.Empty(t, stderr)
	for _, field := range []string{`"version"`, `"commit"`, `"go": "go1.`, `"caddy"`} {
		assert.Contains(t, stdout, field)
	}
}
