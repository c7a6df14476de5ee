//go:build unix

package trust

import (
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// reapTimeout bounds the wait for processes that were killed.
const reapTimeout = time.Second

// inGroup makes a command the first of a process group, which is asked to end
// when its context is done.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// endGroup kills what is left of a process group, and reports whether there was
// anything.
func endGroup(group int) bool {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
		return false
	}
	// The first process of a container inherits them: no other would ever
	// ask for how they ended.
	for end := time.Now().Add(reapTimeout); time.Now().Before(end); {
		pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil)
		switch {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return true // they are not, or no longer, children of this process
		case pid == 0:
			time.Sleep(10 * time.Millisecond)
		}
	}
	return true
}
