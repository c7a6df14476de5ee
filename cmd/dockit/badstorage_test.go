package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/subject"
)

const badStoragePassword = "correct-horse-battery"

// usedDatabase makes a database in a folder of its own, in one file.
func usedDatabase(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	p := startKilled(t, dir, "--root-user", "admin", "--root-password", badStoragePassword)
	_, err := p.client(t, badStoragePassword).CreateRobot(t.Context(), adminapi.NewSubject{Name: "ci"})
	require.NoError(t, err)
	p.kill()
	path = filepath.Join(dir, "dockit.sqlite")
	executeSQL(t, path, "PRAGMA wal_checkpoint(TRUNCATE)") // moves the log into the file
	return dir, path
}

func executeSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// overwritePage writes garbage over the first page of a table.
func overwritePage(t *testing.T, path, table string) {
	t.Helper()
	db := openReadOnly(t, path)
	defer db.Close()
	var page, size int64
	require.NoError(t, db.QueryRow("SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?", table).Scan(&page, &size))
	overwriteBytes(t, path, (page-1)*size, size)
}

func overwriteBytes(t *testing.T, path string, offset, length int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(length)), offset)
	require.NoError(t, err)
}

// refusesToStart runs a server, after a command that runs others if there is
// one, that must end with exit code 1, say what is wanted, and leave the
// database as it is.
func refusesToStart(t *testing.T, dir, path, want string, before ...string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	args := slices.Concat(before, []string{"dockit", "api-server", "--listen", "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = append(cmd.Environ(), "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	output, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, "the server ended with %v, want exit code 1", err)
	assert.Equal(t, 1, exit.ExitCode(), "the server ended with %v, want exit code 1", err)
	assert.Contains(t, string(output), want, "the server did not say:\n%s", output)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, after, content, "the server has changed the database")
}

func TestOverwrittenHeader(t *testing.T) {
	dir, path := usedDatabase(t)
	overwriteBytes(t, path, 0, 100)
	refusesToStart(t, dir, path, "put a backup in its place with 'dockit restore --force'")
}

// TestDamagedSubjects damages what every login reads, and the start does not:
// it asks an index for admins.
func TestDamagedSubjects(t *testing.T) {
	dir, path := usedDatabase(t)
	overwritePage(t, path, "subjects")
	p := startKilled(t, dir)
	_, err := p.client(t, badStoragePassword).CreateRobot(t.Context(), adminapi.NewSubject{Name: "another"})
	wantStorageProblem(t, err, "the database is damaged: stop Dockit, keep a copy of the file")
}

// TestDamagedPermissions damages what a start does not read: the server says
// so when it comes to it, and serves what is whole.
func TestDamagedPermissions(t *testing.T) {
	dir, path := usedDatabase(t)
	overwritePage(t, path, "permissions")
	p := startKilled(t, dir)
	c := p.client(t, badStoragePassword)
	ci := subject.Ref{Kind: subject.Robot, Name: "ci"}
	_, err := c.Subject(t.Context(), ci)
	require.NoError(t, err, "read what is whole")
	_, err = c.Grant(t.Context(), ci, crashPermission("push"))
	wantStorageProblem(t, err, "the database is damaged: stop Dockit")
}

func TestNewerDatabase(t *testing.T) {
	dir, path := usedDatabase(t)
	executeSQL(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
	refusesToStart(t, dir, path, "start the newer Dockit, or restore a backup")
}

// TestReadOnlyFolder takes from a server the right to make files beside the
// database, and from root what it may do regardless.
func TestReadOnlyFolder(t *testing.T) {
	var unprivileged []string
	if os.Geteuid() == 0 {
		setpriv, err := exec.LookPath("setpriv")
		if err != nil {
			missing(t, "root may write everywhere without setpriv: %v", err)
		}
		unprivileged = []string{setpriv, "--bounding-set", "-dac_override,-dac_read_search"}
	}
	dir, path := usedDatabase(t)
	require.NoError(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // else it cannot be removed
	refusesToStart(t, dir, path, "make the file and its folder, where SQLite keeps files beside it, writable", unprivileged...)
}

// missing skips a test that needs what is not here, except in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" && runtime.GOOS == "linux" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func wantStorageProblem(t *testing.T, err error, want string) {
	t.Helper()
	refused, ok := errors.AsType[*client.Error](err)
	require.True(t, ok)
	assert.Equal(t, 503, refused.Status)
	assert.ErrorContains(t, err, want)
}
