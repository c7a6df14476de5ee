package dockit

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// CLI runs dockit's commands as one caller.
type CLI struct {
	// Path is the program, Args come before every command: none for dockit, `dockit` for caddy.
	Path string
	Args []string

	// Env is the whole environment of each command.
	Env []string
}

// CLI returns the command line of a user of this server; of nobody when the name is empty.
func (s *Server) CLI(username, password string) CLI {
	env := append(Environment(s.config.Dir), "DOCKIT_BASE_URL="+s.URL)
	if username != "" {
		env = append(env, "DOCKIT_USERNAME="+username, "DOCKIT_PASSWORD="+password)
	}
	if s.config.HTTPS {
		env = append(env, "DOCKIT_CA_FILE="+s.RootCA())
	}
	return CLI{Path: s.config.Binary, Env: env}
}

// Admin returns the command line of the first admin.
func (s *Server) Admin() CLI {
	return s.CLI(s.config.RootUser, s.config.RootPassword)
}

// Error is a command that ended with an exit code other than 0.
type Error struct {
	Args   []string
	Code   int
	Stderr string
}

func (e *Error) Error() string {
	return fmt.Sprintf("dockit %s: exit code %d: %s", strings.Join(e.Args, " "), e.Code, strings.TrimSpace(e.Stderr))
}

// Run runs a command without standard input and returns its standard output.
func (c CLI) Run(ctx context.Context, args ...string) (string, error) {
	return c.RunInput(ctx, "", args...)
}

// RunInput runs a command with the given standard input and returns its standard output.
func (c CLI) RunInput(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Path, append(append([]string{}, c.Args...), args...)...) //nolint:gosec // runs what the tests built
	cmd.Env = c.Env
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Exited() && cmd.ProcessState.ExitCode() != 0 {
		return stdout.String(), &Error{Args: args, Code: cmd.ProcessState.ExitCode(), Stderr: stderr.String()}
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("dockit %s: %w", strings.Join(args, " "), err)
	}
	return stdout.String(), nil
}
