//go:build !unix

package trust

import (
	"errors"
	"os"
)

// parseSignal fails: there are no signals here.
func parseSignal(string) (os.Signal, error) {
	return nil, errors.New("--signal: this system has none; use --exec")
}
