package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

// readiness is what /readyz says.
type readiness struct {
	Status string `json:"status"`
	Issue  bool   `json:"issue"`
	Change bool   `json:"change"`
	Reason string `json:"reason,omitempty"`
}

// readiness asks. A probe with a question gets a status for that question alone.
func (m *member) readiness(ctx context.Context, query string) (said readiness, status int, err error) {
	a, err := call.Caller{Base: m.URL}.Send(ctx, http.MethodGet, "/readyz"+query, nil)
	if err != nil {
		return said, 0, err
	}
	return said, a.Status, json.Unmarshal(a.Body, &said)
}

// requireReadiness waits until a Dockit says of itself what is wanted, whatever reason it has.
func (m *member) requireReadiness(t *testing.T, want readiness, status int) {
	t.Helper()
	var said readiness
	var got int
	var err error
	began := time.Now()
	ok := func(ctx context.Context) bool {
		said, got, err = m.readiness(ctx, "")
		reason := said.Reason
		said.Reason = ""
		defer func() { said.Reason = reason }()
		return err == nil && said == want && got == status
	}
	for !ok(t.Context()) {
		if time.Since(began) > 20*time.Second {
			require.Failf(t, "not what /readyz should say", "%s wants %d %+v, and has %d %+v, %v", m, status, want, got, said, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	_, mayChange, err := m.readiness(t.Context(), "?can=change")
	require.NoError(t, err)
	require.Equal(t, want.Change, mayChange == http.StatusOK, "/readyz?can=change of %s answers %d", m, mayChange)
	if !want.Change {
		require.NotEmpty(t, said.Reason, "%s says why it cannot change", m)
	}
	t.Logf("%s says %q after %s: %s", m, said.Status, since(began), said.Reason)
}

// degraded is what a Dockit says that issues tokens from memory.
var degraded = readiness{Status: "degraded", Issue: true}
