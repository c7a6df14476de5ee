//go:build !linux

package cores

import "errors"

var errLinux = errors.New("measuring takes a Linux")

// Two returns an error.
func Two() (Pair, error) { return Pair{}, errLinux }

// On returns an error.
func On(int, func() error) error { return errLinux }

// Stay returns an error.
func Stay(int) error { return errLinux }
