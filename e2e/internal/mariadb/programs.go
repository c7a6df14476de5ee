// Package mariadb runs one MariaDB on loopback, with a folder of its own.
//
// It needs mariadbd and mariadb-install-db, which scripts/get-mariadb installs.
package mariadb

import (
	"errors"
	"fmt"
	"os/exec"
)

// ErrNotInstalled is returned when a program of MariaDB is missing.
var ErrNotInstalled = errors.New("not there: run scripts/get-mariadb")

// Programs are the paths of what makes a data directory and serves it.
type Programs struct {
	Daemon, Install string
}

// Find looks for them in the PATH, and where Debian keeps daemons, which is not in everybody's PATH.
func Find() (p Programs, err error) {
	for program, into := range map[string]*string{"mariadbd": &p.Daemon, "mariadb-install-db": &p.Install} {
		for _, candidate := range []string{program, "/usr/sbin/" + program} {
			if found, err := exec.LookPath(candidate); err == nil {
				*into = found
			}
		}
		if *into == "" {
			return p, fmt.Errorf("%s is %w", program, ErrNotInstalled)
		}
	}
	return p, nil
}
