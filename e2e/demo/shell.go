package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// shell runs commands as somebody would in a terminal, and prints them as they are typed there. What it prints is
// what it runs.
type shell struct {
	folder  string
	env     []string
	out     io.Writer
	servers []*process.Process
	ran     int
}

func newShell(folder string, out io.Writer) *shell {
	return &shell{
		folder: folder,
		out:    out,
		env: []string{
			"PATH=" + filepath.Join(folder, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
			"HOME=" + folder,
			"DOCKER_CONFIG=" + filepath.Join(folder, "docker"),
		},
	}
}

// say prints a paragraph that explains what comes next.
func (s *shell) say(format string, args ...any) {
	fmt.Fprintf(s.out, "\n"+format+"\n\n", args...)
}

// export sets variables, given as NAME=value, for everything that runs later.
func (s *shell) export(variables ...string) {
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		s.env = append(s.env, v)
		fmt.Fprintf(s.out, "  $ export %s=%s\n", name, quote(value))
	}
}

// value is a variable that was exported before.
func (s *shell) value(name string) string {
	for _, v := range s.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// run runs a command that must succeed.
func (s *shell) run(ctx context.Context, command string) error {
	output, err := s.execute(ctx, command)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	s.show(command, output)
	return nil
}

// runAll runs commands that must succeed.
func (s *shell) runAll(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		if err := s.run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// refused runs a command that must end with exit code 1.
func (s *shell) refused(ctx context.Context, command string) error {
	output, err := s.execute(ctx, command)
	s.show(command, output)
	if err == nil {
		return fmt.Errorf("%s: worked, but must be refused", command)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		return fmt.Errorf("%s: %w", command, err)
	}
	fmt.Fprintln(s.out, "    -> refused, as it should be")
	return nil
}

func (s *shell) execute(ctx context.Context, command string) (string, error) {
	s.ran++
	fmt.Fprintf(s.out, "  $ %s\n", command)
	cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // the demo's own commands
	cmd.Dir = s.folder
	cmd.Env = s.env
	// A pipe that a killed shell's child still holds must not keep the demo from ending.
	cmd.WaitDelay = time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w\n%s", err, output.String())
	}
	return output.String(), err
}

// show prints what a command printed, set off from the commands. Of what crane says, the last line tells how it
// ended; the others are its progress.
func (s *shell) show(command, output string) {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if strings.Contains(command, "crane ") {
		lines = lines[len(lines)-1:]
	}
	for _, line := range lines {
		if line != "" {
			fmt.Fprintf(s.out, "    %s\n", line)
		}
	}
}

// start runs a server until the demo ends.
func (s *shell) start(command string) (*process.Process, error) {
	s.ran++
	fmt.Fprintf(s.out, "  $ %s &\n", command)
	p, err := process.Start(process.Command{
		Name: command,
		Path: "/bin/sh",
		// Without a shell between them, the server itself gets the signal to stop.
		Args: []string{"-c", "exec " + command},
		Env:  s.env,
		Dir:  s.folder,
	})
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, p)
	return p, nil
}

// wait returns when the context ends, or with an error when a server does.
func (s *shell) wait(ctx context.Context) error {
	ended := make(chan *process.Process, len(s.servers))
	for _, p := range s.servers {
		go func() {
			<-p.Done()
			ended <- p
		}()
	}
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.out, "\nStopping the servers and removing the folder.")
		return nil
	case p := <-ended:
		return fmt.Errorf("%s ended by itself", p)
	}
}

// showServers prints the logs of the servers, for an error's cause.
func (s *shell) showServers(w io.Writer) {
	for _, p := range s.servers {
		fmt.Fprintf(w, "\n%s printed:\n%s", p, p.Output())
	}
}

// stop ends the servers, the last one first.
func (s *shell) stop() error {
	var err error
	for _, p := range slices.Backward(s.servers) {
		err = errors.Join(err, p.Stop())
	}
	return err
}

// quote makes a value safe to type where it needs quoting.
func quote(value string) string {
	if value != "" && !strings.ContainsFunc(value, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=", r)
	}) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
