//go:build unix

package trust

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/dockit-registry/dockit/internal/printable"
)

var signals = map[string]os.Signal{
	"HUP":  syscall.SIGHUP,
	"INT":  syscall.SIGINT,
	"QUIT": syscall.SIGQUIT,
	"KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1,
	"USR2": syscall.SIGUSR2,
}

// parseSignal reads a name such as HUP or SIGHUP.
func parseSignal(name string) (os.Signal, error) {
	if found, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("signal %q: use HUP, INT, QUIT, KILL, TERM, USR1 or USR2", printable.Clip(name))
}
