package store

import (
	"errors"

	"github.com/dockit-registry/dockit/store/internal/dialect"
)

// Hint says in words what to do about an error of the database itself, such
// as a full disk or a server that is away, or returns an empty string. It names
// no path and no secret, so that clients may read it.
func Hint(err error) string {
	if errors.Is(err, ErrLate) {
		return locked
	}
	return dialect.Hint(err)
}

const locked = "no change passes in the database: another program holds a lock in it, others' changes take long, or its disk or server hangs: see what else is connected to it, and try again in a moment"
