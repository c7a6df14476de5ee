package mariadb

import "syscall"

// EndWithUs ends a server even when the tests are killed: it is too much to leave behind.
func EndWithUs(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	attributes.Pdeathsig = syscall.SIGKILL
	return attributes
}
