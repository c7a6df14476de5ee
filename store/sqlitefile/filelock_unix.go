//go:build unix

package sqlitefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// checkUnlocked finds the lock of another process that has a database open,
// even when the file is no database any more. It returns [ErrInUse] then.
func checkUnlocked(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	const pending, length = 0x40000000, 512 // where SQLite has its locks
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: pending, Len: length}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		return fmt.Errorf("look for locks of %s: %w", path, err)
	}
	if lock.Type != syscall.F_UNLCK {
		return fmt.Errorf("%w by process %d: stop the server that uses it first", ErrInUse, lock.Pid)
	}
	return nil
}

// takeOwner gives a file to the owner of another, for a server that is not run
// by the restore.
func takeOwner(path string, like fs.FileInfo) error {
	stat, ok := like.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	if err := os.Chown(path, int(stat.Uid), int(stat.Gid)); err != nil {
		return fmt.Errorf("give %s to the owner of the old database: %w: run this as that user, or as root", path, err)
	}
	return nil
}
