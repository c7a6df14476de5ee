package dockit

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
)

// RunProgram runs any program to its end, with a home folder of its own.
func RunProgram(ctx context.Context, home, stdin, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // runs what the tests built or got
	cmd.Env = Environment(home)
	cmd.Stdin = strings.NewReader(stdin)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if err != nil && cmd.ProcessState != nil {
		return &Error{Args: args, Code: cmd.ProcessState.ExitCode(), Stderr: output.String()}
	}
	return err
}
