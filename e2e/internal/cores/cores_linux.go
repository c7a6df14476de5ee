package cores

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Two picks the first and the last core that this process may use: the same one when there is no other.
func Two() (Pair, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return Pair{}, fmt.Errorf("find out which cores there are: %w", err)
	}
	found := Pair{-1, -1}
	for i := range len(allowed) * strconv.IntSize {
		if !allowed.IsSet(i) {
			continue
		}
		if found.Server < 0 {
			found.Server = i
		}
		found.Load = i
	}
	return found, nil
}

// On calls f on one core. The processes that f starts stay there, and have Go think that there is no other.
func On(core int, f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("find out which cores there are: %w", err)
	}
	if err := pin(0, core); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.SchedSetaffinity(0, &before)) }()
	return f()
}

// Stay keeps this process on one core, with all threads that it has or will have.
func Stay(core int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list the threads of this process: %w", err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return fmt.Errorf("list the threads of this process: %w", err)
		}
		if err := pin(id, core); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func pin(thread, core int) error {
	var one unix.CPUSet
	one.Set(core)
	if err := unix.SchedSetaffinity(thread, &one); err != nil {
		return fmt.Errorf("stay on core %d: %w", core, err)
	}
	return nil
}
