//go:build !linux

package mariadb

import "syscall"

// EndWithUs is for Linux only.
func EndWithUs(attributes *syscall.SysProcAttr) *syscall.SysProcAttr { return attributes }
