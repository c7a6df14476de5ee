package cli

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAuthorities guards that --ca-file stands for the server in the place of the
// system's, and for everybody else beside them.
func TestAuthorities(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	f := ConnectionFlags{caFile: filepath.Join(t.TempDir(), "ca.pem"), Timeout: 1}
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(f.caFile, content, 0o600))

	alone := x509.NewCertPool()
	alone.AddCert(server.Certificate())
	got, err := f.Roots(t.Output())
	require.NoError(t, err)
	assert.True(t, got.Equal(alone))

	beside, err := x509.SystemCertPool()
	require.NoError(t, err)
	beside.AddCert(server.Certificate())
	got, err = f.RootsBeside()
	require.NoError(t, err)
	assert.True(t, got.Equal(beside))

	f.caFile = ""
	got, err = f.RootsBeside()
	require.NoError(t, err)
	assert.Nil(t, got, "those of the system")
}
