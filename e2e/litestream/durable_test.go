package litestream

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

// losses is how often the machine is lost.
const losses = 20

// TestDurableAcknowledgement loses the machine again and again while it writes, and finds everything that was
// acknowledged in the replica.
func TestDurableAcknowledgement(t *testing.T) {
	t.Parallel()
	m := newMachine(t, true)
	m.token(t) // makes a change: from now on there is a replica
	var changes ledger
	began := time.Now()
	for round := range losses {
		changes.write(t.Context(), m, fmt.Sprint(round), 4)
		time.Sleep(100*time.Millisecond + rand.N(700*time.Millisecond)) // when it is lost is the test
		m.lose(t)
		changes.end()
		m.restore(t)
		m.start(t)
		lost := changes.lost(t, m)
		require.Empty(t, lost, "of what was acknowledged, after %d losses of the machine", round+1)
	}
	t.Logf("%d times both were killed and the database deleted, in %s: of %d changes that were acknowledged, one after %s, none was lost",
		losses, time.Since(began).Round(time.Second), changes.acknowledged(), changes.took())
	assert.Greater(t, changes.acknowledged(), losses, "changes that were acknowledged")
	verified, err := m.Admin().Run(t.Context(), "rbac", "audit", "verify")
	require.NoError(t, err, verified)
}

// TestLitestreamAway has no Litestream for a while: changes are not acknowledged then, and tokens go on.
func TestLitestreamAway(t *testing.T) {
	t.Parallel()
	m := newMachine(t, true)
	grant := func() call.Answer {
		t.Helper()
		a, err := m.admin.Send(t.Context(), http.MethodPost, api+"/users/anonymous/permissions", map[string]string{"permission": "repository:public/*:pull"})
		require.NoError(t, err)
		return a
	}
	ready := func() (issue, change int) {
		t.Helper()
		for query, status := range map[string]*int{"": &issue, "?can=change": &change} {
			a, err := call.Caller{Base: m.URL}.Send(t.Context(), http.MethodGet, "/readyz"+query, nil)
			require.NoError(t, err)
			*status = a.Status
		}
		return issue, change
	}
	m.litestream.Kill()
	for range 2 { // the second one changes nothing, and yet nobody knows whether what it asks for lasts
		a := grant()
		require.Equal(t, http.StatusServiceUnavailable, a.Status)
		assert.Equal(t, "not_replicated", a.Problem().Code, "%s", a)
	}
	a, err := call.Caller{Base: m.URL}.Send(t.Context(), http.MethodGet, "/v2/token?service="+service+"&scope=repository:public/app:pull", nil)
	require.NoError(t, err)
	assert.True(t, a.OK(), "%s", a)
	issue, change := ready()
	assert.Equal(t, []int{http.StatusOK, http.StatusServiceUnavailable}, []int{issue, change})

	m.startLitestream(t)
	require.Eventually(t, func() bool { a := grant(); return a.OK() }, 20*time.Second, 50*time.Millisecond)
	issue, change = ready()
	assert.Equal(t, []int{http.StatusOK, http.StatusOK}, []int{issue, change})
}
