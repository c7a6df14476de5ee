package galera

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// joinTimeout is how long a node may take to get what it missed.
const joinTimeout = time.Minute

// Node is one server of a cluster.
type Node struct {
	cluster *Cluster
	name    string
	dir     string
	peers   string
	process *process.Process
	db      *sql.DB

	// Ports to be asked at, to speak with other nodes, and to be sent single changes and whole databases at.
	port, groupPort, changesPort, statePort int
}

func newNode(ctx context.Context, c *Cluster, number int) (*Node, error) {
	n := &Node{cluster: c, name: fmt.Sprintf("node%d", number)}
	n.dir = filepath.Join(c.dir, n.name)
	for _, folder := range []string{n.dir, n.data()} {
		if err := c.makeNodeFolder(folder); err != nil {
			return nil, fmt.Errorf("make the folder of %s: %w", n.name, err)
		}
	}
	return n, freePorts(ctx, &n.port, &n.groupPort, &n.changesPort, &n.statePort)
}

// String names the node.
func (n *Node) String() string { return n.name }

// Address is where the node answers queries.
func (n *Node) Address() string { return loopback(n.port) }

// Excerpt is what a failed test shows of what the node has printed since it was started last.
func (n *Node) Excerpt() string {
	if n.process == nil {
		return ""
	}
	return n.process.Excerpt()
}

func (n *Node) data() string   { return filepath.Join(n.dir, "data") }
func (n *Node) socket() string { return filepath.Join(n.dir, "socket") }
func (n *Node) group() string  { return loopback(n.groupPort) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Start starts a node that is down, and waits until it has what it missed and takes part.
func (n *Node) Start(ctx context.Context) error {
	var args []string
	if position, err := n.recoverPosition(ctx); err == nil {
		// Debian's service does the same. Without it, a node that was killed gets the whole database again.
		args = append(args, "--wsrep-start-position="+position)
	}
	return n.start(ctx, args...)
}

// settings are those that every start of the node has.
func (n *Node) settings() []string {
	return []string{
		"--no-defaults", "--datadir=" + n.data(), "--tmpdir=" + n.dir, "--socket=" + n.socket(),
		"--pid-file=" + filepath.Join(n.dir, "pid"), "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(n.port), "--skip-name-resolve",
		"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--key-buffer-size=64K", "--aria-pagecache-buffer-size=1M",
		"--performance-schema=OFF", "--max-connections=200",
		// What Galera needs, and what makes a change that was acknowledged outlive a crash of every node.
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-flush-log-at-trx-commit=1",
		"--wsrep-on=ON", "--wsrep-provider=" + n.cluster.library, "--wsrep-cluster-name=dockit", "--wsrep-cluster-address=gcomm://" + n.peers,
	}
}

func (n *Node) start(ctx context.Context, args ...string) error {
	args = append(append(n.settings(),
		"--wsrep-node-name="+n.name, "--wsrep-node-address=127.0.0.1",
		"--wsrep-sst-method=rsync", "--wsrep-sst-receive-address="+loopback(n.statePort),
		"--wsrep-provider-options="+strings.Join([]string{
			"gmcast.listen_addr=tcp://" + n.group(), "ist.recv_addr=" + loopback(n.changesPort), "gcache.size=16M",
			// A node that is gone is missed after a second and a half, and not after five to fifteen.
			"evs.keepalive_period=PT0.3S", "evs.inactive_check_period=PT0.3S", "evs.suspect_timeout=PT1S", "evs.inactive_timeout=PT3S", "evs.install_timeout=PT3S",
		}, ";")), args...)
	p, err := process.Start(process.Command{
		Name: n.name + " at " + n.Address(), Path: n.cluster.daemon, Args: args, Env: n.cluster.env, Dir: n.dir, Attributes: n.cluster.attrs,
	})
	if err != nil {
		return err
	}
	n.process = p
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", n.socket()
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 2*time.Second, 10*time.Second, 10*time.Second
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", n, err)
	}
	n.db = sql.OpenDB(connector)
	return n.WaitReady(ctx)
}

// WaitReady waits until the node takes part in a cluster that has the majority.
func (n *Node) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for {
		state, err := n.State(ctx)
		if err == nil && state.Ready() {
			return nil
		}
		select {
		case <-n.process.Done():
			return fmt.Errorf("%s ended before it had joined:\n%s", n, n.Excerpt())
		case <-ctx.Done():
			return fmt.Errorf("%s did not join in time: %w: %+v:\n%s", n, errors.Join(ctx.Err(), err), state, n.Excerpt())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the node as a crash of its machine does.
func (n *Node) Kill() {
	if n.db != nil {
		_ = n.db.Close() // there is nobody at the other end
	}
	if n.process != nil {
		n.process.Kill()
	}
}

// Isolate cuts the node off from the other ones. It goes on answering who asks.
func (n *Node) Isolate(ctx context.Context) error {
	return n.Exec(ctx, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
}

// Heal ends what Isolate began, and does not wait until the node is back in the cluster.
func (n *Node) Heal(ctx context.Context) error {
	return n.Exec(ctx, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")
}

// Exec runs a statement as the administrator of the node.
func (n *Node) Exec(ctx context.Context, statement string) error {
	if _, err := n.db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %s: %w", n, statement, err)
	}
	return nil
}

// State is what a node says of itself.
type State struct {
	// Size is how many nodes it sees, itself included.
	Size int
	// Primary is set when these are the majority.
	Primary bool
	// Synced is set when it has everything and takes changes.
	Synced bool
}

// Ready reports whether the node takes queries and changes.
func (s State) Ready() bool { return s.Primary && s.Synced }

// State asks the node. That it takes a connection, or answers SELECT 1, means nothing.
func (n *Node) State(ctx context.Context) (State, error) {
	return stateOf(ctx, n.db)
}

func stateOf(ctx context.Context, db *sql.DB) (s State, err error) {
	rows, err := db.QueryContext(ctx, "SHOW STATUS WHERE variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_local_state')")
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return s, err
		}
		switch name {
		case "wsrep_cluster_size":
			s.Size, _ = strconv.Atoi(value) // 0 is no size
		case "wsrep_cluster_status":
			s.Primary = value == "Primary"
		case "wsrep_local_state":
			s.Synced = value == "4"
		}
	}
	return s, rows.Err()
}

var recovered = regexp.MustCompile(`WSREP: Recovered position: (\S+)`)

// recoverPosition reads what a node that is down has seen of the changes of the cluster.
func (n *Node) recoverPosition(ctx context.Context) (string, error) {
	if _, err := os.Stat(filepath.Join(n.data(), "ibdata1")); err != nil {
		return "", fmt.Errorf("%s has no data: %w", n, err)
	}
	cmd := exec.CommandContext(ctx, n.cluster.daemon, append(n.settings(), "--wsrep-recover")...) //nolint:gosec // a program from the PATH
	cmd.Env, cmd.SysProcAttr, cmd.Dir = n.cluster.env, n.cluster.attrs, n.dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ask %s what it has seen: %w: %s", n, err, output)
	}
	match := recovered.FindSubmatch(output)
	if match == nil {
		return "", fmt.Errorf("%s does not say what it has seen: %s", n, output)
	}
	return string(match[1]), nil
}

// makeSafeToBootstrap says that the node is the one to begin a cluster with. Galera knows that by itself only of the
// node that was stopped last.
func (n *Node) makeSafeToBootstrap() error {
	path := filepath.Join(n.data(), "grastate.dat")
	state, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	state = bytes.ReplaceAll(state, []byte("safe_to_bootstrap: 0"), []byte("safe_to_bootstrap: 1"))
	return os.WriteFile(path, state, 0o600) //nolint:gosec // in a folder of our own
}
