//go:build !linux

package processtime

import (
	"errors"
	"time"
)

var errLinux = errors.New("measuring takes a Linux")

// Of is that of all threads of a process.
func Of(int) (time.Duration, error) { return 0, errLinux }

// OfThread is that of the thread that asks.
func OfThread() (time.Duration, error) { return 0, errLinux }
