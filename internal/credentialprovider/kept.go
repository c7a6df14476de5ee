package credentialprovider

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// DefaultFolder is where logins are kept for the other pods of a service account. It
// is in memory on every system of today, and gone with a restart of the machine.
const DefaultFolder = "/run/dockit-credential-provider"

const (
	// longestLife is how long a login is good for at most.
	longestLife = 25 * time.Hour
	// maxKept is the largest file that is read, in bytes.
	maxKept = 16 << 10
	// lockInterval is how often a lock is tried that another process has.
	lockInterval = 10 * time.Millisecond
)

// errFolder is returned for a folder in which secrets are not safe.
var errFolder = errors.New("only its owner, who runs this program, may have any right to the folder")

// kept is the login of one service account at one registry, in a file that no other user
// may read. The kubelet runs this program for each pod, all at once when many start:
// who has the lock asks Dockit, and the others take what came of it.
type kept struct {
	root *os.Root
	file *os.File
}

// keptName is the name of a file that is another one for everything by which a login
// is made.
func keptName(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// openKept opens and locks a file. It waits for who has it, as long as ctx lasts.
func openKept(ctx context.Context, folder, name string) (*kept, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByMe(info) {
		return nil, fmt.Errorf("%s: %w", folder, errFolder)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	k := &kept{root, file}
	for {
		locked, err := tryLock(file)
		if locked {
			return k, nil
		}
		if err == nil {
			err = pause(ctx, lockInterval)
		}
		if err != nil {
			k.close()
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close gives the lock back.
func (k *kept) close() {
	_ = k.file.Close() // what was to be written is
	_ = k.root.Close()
}

// read is the login in the file, if there is one.
func (k *kept) read() credential {
	content, err := io.ReadAll(io.LimitReader(k.file, maxKept))
	var c credential
	if err != nil || json.Unmarshal(content, &c) != nil {
		return credential{} // a process that died while it wrote
	}
	return c
}

// write replaces what is in the file, and removes what no pod has needed for long.
func (k *kept) write(c credential, now time.Time) error {
	content, err := json.Marshal(c) //nolint:gosec // the file is for its owner alone
	if err != nil {
		return err
	}
	if err := k.file.Truncate(0); err != nil {
		return err
	}
	if _, err := k.file.WriteAt(content, 0); err != nil {
		return err
	}
	return k.removeOld(now)
}

func (k *kept) removeOld(now time.Time) error {
	folder, err := k.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > longestLife {
			_ = k.root.Remove(entry.Name()) // another process was faster
		}
	}
	return nil
}
