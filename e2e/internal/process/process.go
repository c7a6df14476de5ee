// Package process runs the servers of a test: it starts them, keeps what they print, waits until they answer
// and stops them as an operator would, with SIGTERM.
package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// StopTimeout is how long a process may take to end after SIGTERM before it is killed.
const StopTimeout = 15 * time.Second

// ErrKilled is returned by Stop when the process did not end by itself in time.
var ErrKilled = errors.New("did not end after SIGTERM and was killed")

// Command says what to run.
type Command struct {
	// Name tells processes apart in errors and logs.
	Name string

	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string

	// Env is the whole environment; nothing is inherited, so that a developer's own settings change no test.
	Env []string

	// Dir is the working directory. Default: that of this process.
	Dir string

	// Attributes say as whom to run and in which process group. Default: as ourselves, in a group of its own, which
	// keeps the Ctrl-C of a terminal from reaching the process beside us: we stop it.
	Attributes *syscall.SysProcAttr
}

// String is the command line, for messages.
func (c Command) String() string {
	return strings.Join(append([]string{c.Path}, c.Args...), " ")
}

// Process is a started Command.
type Process struct {
	command Command
	cmd     *exec.Cmd
	output  output
	done    chan struct{}
	err     error
}

// Start runs the command and returns as soon as it runs. Output of both streams is kept.
func Start(command Command) (*Process, error) {
	p := &Process{command: command, done: make(chan struct{})}
	// Not bound to a context: a process ends by Stop, which lets it drain.
	p.cmd = exec.CommandContext(context.Background(), command.Path, command.Args...) //nolint:gosec // runs what the tests built
	p.cmd.Env = command.Env
	p.cmd.Dir = command.Dir
	p.cmd.Stdout = &p.output
	p.cmd.Stderr = &p.output
	p.cmd.SysProcAttr = command.Attributes
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (%s): %w", command.Name, command, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// String names the process in messages.
func (p *Process) String() string {
	return p.command.Name
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} {
	return p.done
}

// PID is the id of the process.
func (p *Process) PID() int {
	return p.cmd.Process.Pid
}

// Output is everything that the process has printed so far.
func (p *Process) Output() string {
	return p.output.String()
}

// Stop asks the process to end and waits for that. It returns an error if the process had to be killed or
// ended with anything but exit code 0. Stopping twice is the same as once.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return p.exitError()
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !p.ended() {
		return fmt.Errorf("stop %s: %w", p.command.Name, err)
	}
	select {
	case <-p.done:
		return p.exitError()
	case <-time.After(StopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s %w after %s", p.command.Name, ErrKilled, StopTimeout)
	}
}

// Kill ends the process, and what it started in its group, as a crash does, and waits for that.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // there may be no group
	_ = p.cmd.Process.Kill()                              // it may have ended
	<-p.done
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) exitError() error {
	if p.err == nil {
		return nil
	}
	// A server without a handler for SIGTERM ends by it; that is how both registries do.
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", p.command.Name, p.err)
}
