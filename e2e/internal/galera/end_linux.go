package galera

import "syscall"

// endWithUs ends a node even when the tests are killed: three of them are too much to leave behind.
func endWithUs(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	attributes.Pdeathsig = syscall.SIGKILL
	return attributes
}
