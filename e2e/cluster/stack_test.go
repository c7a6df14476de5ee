package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/galera"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
	"github.com/dockit-registry/dockit/e2e/internal/trust"
)

const (
	service = "registry.test"
	root    = "admin"
	// timeouts are those that the guide advises for a cluster: a node that hangs is given up soon.
	timeouts = "?timeout=2s&readTimeout=5s&writeTimeout=5s&innodb_lock_wait_timeout=4"
)

// stack is a cluster with two Dockits in front, each with a balancer of its own that prefers another node.
type stack struct {
	cluster  *galera.Cluster
	dockits  []*member
	password string
	// trust is what a registry has read once, when everything began.
	trust *trust.Bundle
}

// member is one of the Dockits.
type member struct {
	*dockit.Server
	balancer *galera.Balancer
	// node is the one that the balancer prefers.
	node *galera.Node
	// admin calls the admin API as root.
	admin caller
}

// stopAfter stops the server after the test, which then prints what it printed if something failed.
func (m *member) stopAfter(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		assert.NoError(t, m.Stop())
		if t.Failed() {
			t.Logf("%s printed:\n%s", m, m.Excerpt())
		}
	})
}

// startMariaDB starts one server. Without MariaDB on the machine it skips the test, or fails it in CI.
func startMariaDB(t *testing.T) *mariadb.Server {
	t.Helper()
	server, err := mariadb.Start(t.Context())
	t.Cleanup(func() {
		assert.NoError(t, server.Stop())
	})
	if errors.Is(err, mariadb.ErrNotInstalled) {
		cannot.Run(t, err)
	}
	require.NoError(t, err)
	return server
}

// startStack starts everything. Both Dockits begin at once, on different nodes, with an empty database.
func startStack(t *testing.T) *stack {
	t.Helper()
	folder := t.TempDir()
	binary, err := build.Dockit(t.Context(), folder)
	require.NoError(t, err)
	began := time.Now()
	cluster := startCluster(t)
	t.Logf("three nodes were together after %s", since(began))
	s := &stack{cluster: cluster, password: rand.Text(), dockits: make([]*member, 2)}
	n := cluster.Nodes
	var both sync.WaitGroup
	errs := make([]error, len(s.dockits))
	began = time.Now()
	for i, order := range [][]*galera.Node{{n[0], n[1], n[2]}, {n[2], n[1], n[0]}} {
		balancer, err := galera.Balance(t.Context(), order...)
		require.NoError(t, err)
		t.Cleanup(balancer.Close)
		dir := filepath.Join(folder, order[0].String())
		require.NoError(t, os.Mkdir(dir, 0o700))
		both.Go(func() {
			var server *dockit.Server
			server, errs[i] = dockit.Start(t.Context(), dockit.Config{
				Binary: binary, Dir: dir, MySQL: balancer.DSN(timeouts),
				RootUser: root, RootPassword: s.password,
				Args: []string{"--service", service},
			})
			if errs[i] == nil {
				s.dockits[i] = &member{
					Server: server, balancer: balancer, node: order[0],
					admin: caller{call.Caller{Base: server.URL, Username: root, Password: s.password}},
				}
			}
		})
	}
	both.Wait()
	for i, m := range s.dockits {
		if m == nil {
			continue
		}
		m.stopAfter(t) // before the cluster and the balancers, which were there first, are gone
		require.NoError(t, errs[i])
	}
	require.NoError(t, errors.Join(errs...))
	t.Logf("two Dockits made the schema and were ready after %s", since(began))
	s.trust = readTrust(t, s.dockits[0])
	return s
}

// startCluster starts three nodes. Without Galera on the machine it skips the test, or fails it in CI.
func startCluster(t *testing.T) *galera.Cluster {
	t.Helper()
	cluster, err := galera.Start(t.Context())
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range cluster.Nodes {
				if n != nil {
					t.Logf("%s printed:\n%s", n, n.Excerpt())
				}
			}
		}
		assert.NoError(t, cluster.Stop())
	})
	if errors.Is(err, galera.ErrNotInstalled) {
		cannot.Run(t, err)
	}
	require.NoError(t, err)
	return cluster
}

// reachAll ends every partition between Dockits and nodes.
func (s *stack) reachAll() {
	n := s.cluster.Nodes
	s.dockits[0].balancer.Reach(n[0], n[1], n[2])
	s.dockits[1].balancer.Reach(n[2], n[1], n[0])
}

// separate has each Dockit on the node that its balancer prefers: both may have found the same one up first.
func (s *stack) separate() {
	for _, m := range s.dockits {
		m.balancer.Reach(m.node)
	}
	s.reachAll()
}

// requireReady waits until both Dockits can issue and change.
func (s *stack) requireReady(t *testing.T) {
	t.Helper()
	for _, m := range s.dockits {
		m.requireReadiness(t, readiness{Status: "ready", Issue: true, Change: true}, http.StatusOK)
	}
}

// requireWhole waits until every node takes part.
func (s *stack) requireWhole(t *testing.T) {
	t.Helper()
	for _, n := range s.cluster.Nodes {
		eventually(t, 30*time.Second, func(ctx context.Context) bool {
			state, err := n.State(ctx)
			return err == nil && state.Ready() && state.Size == galera.Size
		}, "%s takes part again", n)
	}
}

func since(began time.Time) time.Duration { return time.Since(began).Round(10 * time.Millisecond) }

// eventually asks until the answer is yes.
func eventually(t *testing.T, limit time.Duration, ask func(ctx context.Context) bool, what string, args ...any) {
	t.Helper()
	for began := time.Now(); !ask(t.Context()); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > limit {
			require.Failf(t, "not in time", "not so within %s: "+what, append([]any{limit}, args...)...)
		}
	}
}
