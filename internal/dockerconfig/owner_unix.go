//go:build unix

package dockerconfig

import (
	"os"
	"syscall"
)

// keepOwner gives a file to whom another one belongs to, if that exists: with
// sudo, a user's file stays the user's. A user who may not give files away owns both.
func keepOwner(of string, file *os.File) {
	info, err := os.Stat(of)
	if err != nil {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}
