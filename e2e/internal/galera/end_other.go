//go:build !linux

package galera

import "syscall"

// endWithUs is for Linux only.
func endWithUs(attributes *syscall.SysProcAttr) *syscall.SysProcAttr { return attributes }
