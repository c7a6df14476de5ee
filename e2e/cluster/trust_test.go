package cluster

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/trust"
)

func readTrust(t *testing.T, m *member) *trust.Bundle {
	t.Helper()
	bundle, err := trust.Parse(certificates(t, m))
	require.NoError(t, err)
	return bundle
}

// certificates is the bundle that a Dockit hands out.
func certificates(t *testing.T, m *member) string {
	t.Helper()
	a, err := call.Caller{Base: m.URL}.Send(t.Context(), http.MethodGet, "/v2/certs/pem", nil)
	require.NoError(t, err)
	require.Truef(t, a.OK(), "certificates: %s", a)
	return string(a.Body)
}
