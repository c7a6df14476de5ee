package dialect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	sqlitelib "modernc.org/sqlite/lib"

	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// Hint says in words what to do about an error of the database itself, such
// as a full disk or a server that is away, or returns an empty string. It names
// no path and no secret, so that clients may read it.
func Hint(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return diskFull
	}
	switch code := sqlitefile.Code(err); code & 0xff {
	case sqlitelib.SQLITE_FULL:
		return diskFull
	case sqlitelib.SQLITE_IOERR:
		if code == sqlitelib.SQLITE_IOERR_SHMSIZE || code == sqlitelib.SQLITE_IOERR_WRITE {
			return diskFull // what the write-ahead log needs beside the file
		}
		return "the disk with the database fails: check it, and the log of the system"
	case sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_PERM:
		return notWritable
	case sqlitelib.SQLITE_CANTOPEN:
		return notWritable + ", and check that the folder exists"
	case sqlitelib.SQLITE_CORRUPT:
		return "the database is damaged: stop Dockit, keep a copy of the file, and put a backup in its place with 'dockit restore --force'"
	case sqlitelib.SQLITE_NOTADB:
		return "the file is not a SQLite database, or its beginning was overwritten: name another file, or put a backup in its place with 'dockit restore --force'"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "" // which says nothing about the database
	}
	return mysqlHint(err)
}

const (
	diskFull    = "the disk with the database is full, or may not grow: free space; what is there can be read, and tokens are issued from it"
	notWritable = "the database cannot be written: make the file and its folder, where SQLite keeps files beside it, writable for the user that runs Dockit"
)

// WithHint adds to an error what to do about it, unless it says so already or
// there is nothing to say.
func WithHint(err error, hint string) error {
	if hint == "" || strings.Contains(err.Error(), hint) {
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}
