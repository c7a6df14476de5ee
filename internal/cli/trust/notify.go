package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// notifyTimeout bounds the command that is run on a change, in all.
	notifyTimeout = time.Minute
	// notifyGrace is the part of it that is left to a command that was asked to
	// end.
	notifyGrace = 5 * time.Second
)

// notification is what happens when the file has changed: a signal to a
// process, a command, or neither.
type notification struct {
	signal  os.Signal
	process string
	command []string
	// Timeout is how long the command may take, with the grace at its end.
	timeout, grace time.Duration
}

func parseNotification(signal, process, command string) (notification, error) {
	n := notification{process: process, command: strings.Fields(command), timeout: notifyTimeout, grace: notifyGrace}
	switch {
	case (signal == "") != (process == ""):
		return n, errors.New("--signal and --process go together: which signal, and to whom")
	case signal != "" && command != "":
		return n, errors.New("--signal and --exec exclude each other")
	case signal == "":
		return n, nil
	}
	var err error
	n.signal, err = parseSignal(signal)
	return n, err
}

// String says what is done, for messages.
func (n notification) String() string {
	if n.signal != nil {
		return fmt.Sprintf("sent %s to %s", n.signal, n.process)
	}
	return "ran " + n.command[0]
}

// none reports whether there is neither a signal to send nor a command to run.
func (n notification) none() bool { return n.signal == nil && len(n.command) == 0 }

// send sends the signal, or runs the command.
func (n notification) send(ctx context.Context, stdout, stderr io.Writer) error {
	if n.signal != nil {
		return n.sendSignal()
	}
	return n.run(ctx, stdout, stderr)
}

// run runs the command in a process group of its own, and ends what is left of
// the group when the command has ended, was too slow, or ctx is done.
func (n notification) run(ctx context.Context, stdout, stderr io.Writer) error {
	limited, cancel := context.WithTimeout(ctx, n.timeout-n.grace)
	defer cancel()
	cmd := exec.CommandContext(limited, n.command[0], n.command[1:]...) //nolint:gosec // the operator names it
	cmd.Stdout, cmd.Stderr = unpiped(stdout), unpiped(stderr)
	cmd.WaitDelay = n.grace
	inGroup(cmd)
	err := cmd.Run()
	if cmd.Process != nil && endGroup(cmd.Process.Pid) {
		cli.Warnf(stderr, "Warning: ended what %s left running: have a supervisor start what is to stay, or setsid", n.command[0])
	}
	switch {
	case ctx.Err() == nil && limited.Err() != nil:
		return fmt.Errorf("run %s: it did not end within %s", n.command[0], n.timeout-n.grace)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended well; only its output was still held open
	case err != nil:
		return fmt.Errorf("run %s: %w", n.command[0], err)
	}
	return nil
}

// unpiped spares output that is not read a pipe, which whatever holds it open
// would keep the command from ending by.
func unpiped(w io.Writer) io.Writer {
	if w == io.Discard {
		return nil
	}
	return w
}

func (n notification) sendSignal() error {
	pids, err := findProcesses(n.process)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		process, err := os.FindProcess(pid)
		if err != nil {
			return fmt.Errorf("find process %d: %w", pid, err)
		}
		if err := process.Signal(n.signal); err != nil {
			return fmt.Errorf("send %s to process %d: %w", n.signal, pid, err)
		}
	}
	return nil
}

// findProcesses takes a number, the path of a file with a number, or the name
// of a program.
func findProcesses(process string) ([]int, error) {
	if pid, err := strconv.ParseUint(process, 10, 31); err == nil && pid > 0 {
		return []int{int(pid)}, nil
	}
	if strings.ContainsRune(process, filepath.Separator) {
		content, err := ReadRegular(process)
		if err != nil {
			return nil, fmt.Errorf("find the process: %w", err)
		}
		pid, err := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 31)
		if err != nil || pid == 0 {
			return nil, fmt.Errorf("find the process: %s holds no process number", process)
		}
		return []int{int(pid)}, nil
	}
	return findByName(process, "/proc")
}

// findByName looks for a program among those that run. Containers of one pod
// see each other's only with shareProcessNamespace.
func findByName(name, proc string) ([]int, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("find process %q: %w: name it by its number instead", printable.Clip(name), err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(proc, entry.Name(), "cmdline"))
		if err != nil {
			continue // it has just ended
		}
		program, _, _ := strings.Cut(string(content), "\x00")
		if filepath.Base(program) == name {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("no process %q runs here: in Kubernetes, the pod needs shareProcessNamespace", printable.Clip(name))
	}
	slices.Sort(pids)
	return pids, nil
}
