//go:build !linux

package mariadbtest

import "syscall"

// dieWithParent is for Linux only: elsewhere a server outlives tests that are
// killed.
var dieWithParent *syscall.SysProcAttr
