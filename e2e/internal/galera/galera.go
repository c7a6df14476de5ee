// Package galera runs a MariaDB Galera cluster of three nodes on loopback, takes nodes away and brings them back: by
// SIGKILL, and by cutting one off from the others.
//
// It needs mariadbd, which scripts/get-mariadb installs, and what scripts/get-galera puts into bin/galera.
package galera

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

// Size is how many nodes a cluster has: the least of which the majority is more than one.
const Size = 3

// User and Password log in to Database on every node, with all rights on it and no others.
const (
	User     = "dockit"
	Password = "galera"
	Database = "dockit"
)

// ErrNotInstalled is returned when a program of MariaDB or Galera is missing.
var ErrNotInstalled = errors.New("not there: run scripts/get-mariadb and scripts/get-galera bin/galera")

// Cluster is three nodes. Some of them may be down.
type Cluster struct {
	Nodes [Size]*Node

	dir     string
	daemon  string
	install string
	library string
	env     []string
	attrs   *syscall.SysProcAttr
}

// Start makes a cluster with an empty Database, and waits until every node has joined. Stop it, also after an error.
func Start(ctx context.Context) (*Cluster, error) {
	c := &Cluster{}
	if err := c.find(); err != nil {
		return c, err
	}
	if err := c.makeFolder(); err != nil {
		return c, err
	}
	var addresses []string
	for i := range c.Nodes {
		n, err := newNode(ctx, c, i+1)
		if err != nil {
			return c, err
		}
		c.Nodes[i] = n
		addresses = append(addresses, n.group())
	}
	for _, n := range c.Nodes {
		n.peers = strings.Join(addresses, ",")
	}
	first := c.Nodes[0]
	prepare := exec.CommandContext(ctx, c.install, "--no-defaults", "--datadir="+first.data(), "--tmpdir="+first.dir, //nolint:gosec // a program from the PATH
		"--innodb-log-file-size=8M", "--auth-root-authentication-method=normal", "--skip-test-db")
	prepare.Env, prepare.SysProcAttr = c.env, c.attrs
	if output, err := prepare.CombinedOutput(); err != nil {
		return c, fmt.Errorf("make the data of the first node: %w: %s", err, output)
	}
	if err := first.start(ctx, "--wsrep-new-cluster"); err != nil {
		return c, err
	}
	for _, statement := range []string{
		"CREATE DATABASE " + Database + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		"CREATE USER " + User + "@'%' IDENTIFIED BY '" + Password + "'",
		"GRANT ALL ON " + Database + ".* TO " + User + "@'%'",
	} {
		if err := first.Exec(ctx, statement); err != nil {
			return c, err
		}
	}
	for _, n := range c.Nodes[1:] {
		if err := n.Start(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Stop ends every node without ceremony and removes their folders.
func (c *Cluster) Stop() error {
	for _, n := range c.Nodes {
		if n != nil {
			n.Kill()
		}
	}
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// KillAll ends every node at once.
func (c *Cluster) KillAll() {
	for _, n := range c.Nodes {
		n.Kill()
	}
}

// Recover brings back a cluster of which every node is down, as an operator does: the node that has seen the most
// begins a new cluster, and the others join it.
func (c *Cluster) Recover(ctx context.Context) error {
	var newest *Node
	most := int64(-1)
	for _, n := range c.Nodes {
		position, err := n.recoverPosition(ctx)
		if err != nil {
			return err
		}
		_, number, _ := strings.Cut(position, ":")
		seen, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("%s has the position %q: %w", n, position, err)
		}
		if seen > most {
			newest, most = n, seen
		}
	}
	if newest == nil {
		return errors.New("no node knows a position to begin a cluster from")
	}
	if err := newest.makeSafeToBootstrap(); err != nil {
		return err
	}
	if err := newest.start(ctx, "--wsrep-new-cluster"); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if n != newest {
			if err := n.Start(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// find looks for the programs.
func (c *Cluster) find() error {
	root, err := build.Root()
	if err != nil {
		return err
	}
	galera := filepath.Join(root, "bin", "galera", "usr")
	c.library = filepath.Join(galera, "lib", "galera", "libgalera_smm.so")
	required := []string{c.library}
	// Without one of these a node says only that it did not join.
	for _, program := range []string{"wsrep_sst_rsync", "wsrep_sst_common", "rsync", "lsof", "ps"} {
		required = append(required, filepath.Join(galera, "bin", program))
	}
	for _, path := range required {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s is %w", path, ErrNotInstalled)
		}
	}
	// Debian keeps daemons where not everybody's PATH leads.
	path := filepath.Join(galera, "bin") + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"
	c.env = []string{"PATH=" + path, "LD_LIBRARY_PATH=" + filepath.Join(galera, "lib")}
	programs, err := mariadb.Find()
	if errors.Is(err, mariadb.ErrNotInstalled) {
		return fmt.Errorf("%w: %w", err, ErrNotInstalled)
	}
	if err != nil {
		return err
	}
	c.daemon, c.install = programs.Daemon, programs.Install
	return nil
}

// makeFolder makes the folder of the nodes, in memory where that is possible: nothing in it outlives the tests. root
// runs them as nobody, because the rsync that brings a node its data writes as nobody, too.
func (c *Cluster) makeFolder() (err error) {
	if c.dir, err = os.MkdirTemp("/dev/shm", "dockit-galera-"); err != nil {
		if c.dir, err = os.MkdirTemp("", "dockit-galera-"); err != nil {
			return fmt.Errorf("make a folder for the nodes: %w", err)
		}
	}
	c.attrs = mariadb.EndWithUs(&syscall.SysProcAttr{Setpgid: true})
	if os.Geteuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return fmt.Errorf("run the nodes as somebody who is not root: %w", err)
	}
	uid, _ := strconv.Atoi(nobody.Uid) // numbers on every system that has mariadbd
	gid, _ := strconv.Atoi(nobody.Gid)
	c.attrs.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(c.dir, uid, gid)
}

// makeNodeFolder makes a folder that the nodes can write to.
func (c *Cluster) makeNodeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	if c.attrs.Credential == nil {
		return nil
	}
	return os.Chown(path, int(c.attrs.Credential.Uid), int(c.attrs.Credential.Gid))
}

func freePorts(ctx context.Context, into ...*int) (err error) {
	for _, p := range into {
		if *p, err = port.Free(ctx); err != nil {
			return err
		}
	}
	return nil
}
