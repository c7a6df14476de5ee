package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/galera"
)

// TestCluster lets one misfortune follow another while tokens are asked for and changes are made, and in the end looks
// for what was acknowledged.
func TestCluster(t *testing.T) {
	s := startStack(t)
	pullers := s.addPullers(t)
	tokens := s.startLoad(t, pullers)
	s.requireLastAdmin(t)
	changes := s.startChanges(t)
	quiet := func(phase string) {
		t.Helper()
		s.requireReady(t)
		tokens.requireAllIssued(t, s, phase)
		changes.tell(t, s, phase)
	}
	one, two := s.dockits[0], s.dockits[1]

	s.requireSpread(t)
	quiet("nothing is wrong")

	s.killOne(t, changes)
	quiet("a node is killed and comes back")

	s.partition(t, changes)
	quiet("a node is apart from the others and comes back")

	s.silence(t, changes)
	quiet("a node takes connections and answers nothing")

	s.killAll(t, changes)
	quiet("every node is killed and comes back")

	s.separate()
	s.requireSpread(t)
	s.requireConflicts(t)
	s.requireReady(t)
	changes.end()
	tokens.end()
	tokens.requireAllIssued(t, s, "after everything")
	changes.tell(t, s, "after everything")

	changes.requireNothingLost(t, one)
	s.requireSame(t)
	for _, m := range s.dockits {
		out, err := m.Admin().Run(t.Context(), "rbac", "audit", "verify")
		require.NoError(t, err)
		t.Logf("%s: %s", m, out)
	}
	assert.Equal(t, certificates(t, one), certificates(t, two))
	assert.Equal(t, s.trust.PEM, certificates(t, one), "registries know what they have to")
}

// killOne kills the node that a Dockit is on, has keys rotated meanwhile, and starts it again.
func (s *stack) killOne(t *testing.T, changes *ledger) {
	one := s.dockits[0]
	killed := time.Now()
	one.node.Kill()
	changes.awaitOutcome(t, one, acknowledged, 1)
	t.Logf("changes go on at the Dockit of the killed node after %s", since(killed))
	changes.awaitOutcome(t, one, acknowledged, 20)
	s.rotate(t, s.dockits[1])
	back := time.Now()
	require.NoError(t, one.node.Start(t.Context()))
	t.Logf("the killed node has joined again after %s", since(back))
	s.requireWhole(t)
	changes.awaitOutcome(t, one, acknowledged, 5)
}

// partition leaves one Dockit with a node that is cut off from the majority, while the other one goes on.
func (s *stack) partition(t *testing.T, changes *ledger) {
	one, two := s.dockits[0], s.dockits[1]
	apart := time.Now()
	two.balancer.Reach(two.node)
	require.NoError(t, two.node.Isolate(t.Context()))
	two.requireReadiness(t, degraded, http.StatusOK)
	changes.awaitOutcome(t, two, refused, 3)
	changes.awaitOutcome(t, one, acknowledged, 20)
	one.requireReadiness(t, readiness{Status: "ready", Issue: true, Change: true}, http.StatusOK)
	s.rotate(t, one)
	t.Logf("apart for %s", since(apart))

	healed := time.Now()
	require.NoError(t, two.node.Heal(t.Context()))
	s.requireWhole(t)
	t.Logf("together again after %s", since(healed))
	changes.awaitOutcome(t, two, acknowledged, 5)
	s.reachAll()
}

// silence leaves a Dockit with something that takes connections and never answers, as a node that hangs does.
func (s *stack) silence(t *testing.T, changes *ledger) {
	two := s.dockits[1]
	two.balancer.Silence()
	two.requireReadiness(t, degraded, http.StatusOK)
	changes.awaitOutcome(t, s.dockits[0], acknowledged, 20)
	spoken := time.Now()
	two.balancer.Speak()
	changes.awaitOutcome(t, two, acknowledged, 1)
	t.Logf("changes go on %s after the node answers again", since(spoken))
}

// killAll kills every node: nothing that was acknowledged may depend on one of them being up.
func (s *stack) killAll(t *testing.T, changes *ledger) {
	down := time.Now()
	s.cluster.KillAll()
	for _, m := range s.dockits {
		m.requireReadiness(t, degraded, http.StatusOK)
		changes.awaitOutcome(t, m, refused, 3)
	}
	// Somebody who was never seen is told to come again, and that it is not about the password.
	a, err := call.Caller{Base: s.dockits[0].URL, Username: "nobody-knows", Password: "a wrong password"}.Send(t.Context(), http.MethodGet, "/v2/token?service="+service, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, a.Status, "%s", a)

	require.NoError(t, s.cluster.Recover(t.Context()))
	s.requireWhole(t)
	for _, m := range s.dockits {
		changes.awaitOutcome(t, m, acknowledged, 5)
	}
	t.Logf("the cluster was away for %s", since(down))
}

// rotate makes a Dockit sign with a new key.
func (s *stack) rotate(t *testing.T, m *member) {
	t.Helper()
	_, err := m.Admin().Run(t.Context(), "rbac", "pki", "rotate")
	require.NoError(t, err)
}

// requireSpread measures how soon a change counts: at once where it was made, and within two seconds elsewhere.
func (s *stack) requireSpread(t *testing.T) {
	t.Helper()
	const rounds = 10
	robot := fmt.Sprintf("spread%d", time.Now().UnixNano())
	s.dockits[0].admin.addRobot(t, robot)
	p := puller{robot, s.dockits[0].admin.accessToken(t, robot)}
	var longest time.Duration
	for i := range rounds * len(s.dockits) {
		here, there := s.dockits[i%2], s.dockits[(i+1)%2]
		repository := fmt.Sprintf("spread/%d", i)
		for _, m := range s.dockits {
			require.False(t, m.mayPull(t.Context(), t, s.trust, p, repository))
		}
		here.admin.grant(t, robot, repository)
		acknowledged := time.Now()
		require.Truef(t, here.mayPull(t.Context(), t, s.trust, p, repository), "the change counts at once at %s", here)
		for !there.mayPull(t.Context(), t, s.trust, p, repository) {
			require.Lessf(t, time.Since(acknowledged), 2*time.Second, "the change counts soon at %s", there)
			time.Sleep(5 * time.Millisecond)
		}
		longest = max(longest, time.Since(acknowledged))
	}
	t.Logf("a change counted at the other Dockit after %s at most, in %d tries", longest.Round(time.Millisecond), rounds*len(s.dockits))
}

// requireLastAdmin lets every admin lay down the office at once, at both Dockits: one must not be able to.
func (s *stack) requireLastAdmin(t *testing.T) {
	t.Helper()
	admins := []caller{s.dockits[0].admin}
	for i := range 7 {
		c := s.dockits[(i+1)%2].admin
		c.Username, c.Password = fmt.Sprintf("admin%d", i), s.password
		s.dockits[0].admin.require(t, http.MethodPost, "/users", map[string]any{"name": c.Username, "password": c.Password, "admin": true}, nil)
		admins = append(admins, c)
	}
	answers := make([]call.Answer, len(admins))
	errs := make([]error, len(admins))
	var all sync.WaitGroup
	for i, c := range admins {
		all.Go(func() {
			answers[i], errs[i] = c.Send(t.Context(), http.MethodPatch, api+"/users/"+c.Username, map[string]any{"admin": false})
		})
	}
	all.Wait()
	var last []caller
	for i, a := range answers {
		require.NoError(t, errs[i])
		if a.Problem().Code == "last_admin" {
			last = append(last, admins[i])
			continue
		}
		assert.Truef(t, a.OK(), "%s: %s", admins[i].Username, a)
	}
	require.Len(t, last, 1, "admins who could not lay down the office")
	last[0].require(t, http.MethodPatch, "/users/"+root, map[string]any{"admin": true}, nil)
	for _, m := range s.dockits { // which may have it from the other one
		require.Eventually(t, func() bool {
			a, err := m.admin.Send(t.Context(), http.MethodGet, api+"/users/"+root, nil)
			return err == nil && a.OK()
		}, 2*time.Second, 20*time.Millisecond, "%s is an admin again", root)
	}
}

// requireConflicts waits until changes on different nodes collided, of which nobody was told.
func (s *stack) requireConflicts(t *testing.T) {
	t.Helper()
	conflicts := 0
	eventually(t, 30*time.Second, func(ctx context.Context) bool {
		conflicts = 0
		for _, n := range s.cluster.Nodes {
			count, err := n.Conflicts(ctx)
			require.NoError(t, err)
			conflicts += count
		}
		return conflicts > 0
	}, "changes of different nodes collide")
	t.Logf("since the nodes came back, changes of different nodes collided %d times", conflicts)
}

// requireSame waits until every node has the same rows, and compares what both Dockits export.
func (s *stack) requireSame(t *testing.T) {
	t.Helper()
	sums := func(ctx context.Context, n *galera.Node) map[string]int64 {
		sums, err := n.Checksums(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, sums)
		return sums
	}
	n := s.cluster.Nodes
	eventually(t, 20*time.Second, func(ctx context.Context) bool {
		first := sums(ctx, n[0])
		return assert.ObjectsAreEqual(first, sums(ctx, n[1])) && assert.ObjectsAreEqual(first, sums(ctx, n[2]))
	}, "every node has the same rows")
	t.Logf("every node has the same rows in %d tables", len(sums(t.Context(), n[0])))
	_, first := s.dockits[0].admin.state(t)
	_, second := s.dockits[1].admin.state(t)
	require.Equal(t, first, second)
}
