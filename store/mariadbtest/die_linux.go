package mariadbtest

import "syscall"

// dieWithParent ends the server even when the tests are killed.
var dieWithParent = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
