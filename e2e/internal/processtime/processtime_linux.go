// Package processtime tells how long programs have kept cores busy.
package processtime

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Of is that of all threads of a process, to the nanosecond: in /proc it is rounded to hundredths of a second.
func Of(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	return read(int32(^pid<<3|scheduled), "the CPU time of the server")
}

// OfThread is that of the thread that asks.
func OfThread() (time.Duration, error) {
	return read(unix.CLOCK_THREAD_CPUTIME_ID, "the CPU time of a thread")
}

func read(id int32, what string) (time.Duration, error) {
	var spent unix.Timespec
	if err := unix.ClockGettime(id, &spent); err != nil {
		return 0, fmt.Errorf("read %s: %w", what, err)
	}
	return time.Duration(spent.Nano()), nil
}
