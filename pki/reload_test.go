package pki

import (
	"crypto/x509"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReload guards that files whose content the ring holds are not read again,
// and that others are in use at once, or say why not.
func TestReload(t *testing.T) {
	former, next := newPair(t, x509.Certificate{}), newPair(t, x509.Certificate{})
	path, c := write(t, former.pem(t)), newClock()
	r := fileRing(t, new(memoryStore), c, path, Options{})
	check := func() Digest {
		t.Helper()
		content, err := Check(&Files{Key: path}, Options{Now: c.Now})
		require.NoError(t, err)
		return content
	}
	content := check()
	require.NoError(t, os.Rename(path, path+".away"))
	require.NoError(t, r.Reload(t.Context(), content), "the file was read")
	require.ErrorIs(t, r.Reload(t.Context(), Digest{}), os.ErrNotExist)
	assert.True(t, signingKey(t, r, "registry").Chain[0].Equal(former.cert))

	replaceFile(t, path, next.pem(t))
	require.NoError(t, r.Reload(t.Context(), check()))
	assert.True(t, signingKey(t, r, "registry").Chain[0].Equal(next.cert))
	assert.Len(t, bundle(t, r.Bundle("registry")), 2, "the certificate before is trusted for its tokens")

	generated, err := NewGeneratedRing(t.Context(), new(memoryStore), Options{Now: c.Now, PollInterval: still}, r.logger)
	require.NoError(t, err)
	t.Cleanup(generated.Close)
	require.NoError(t, generated.Reload(t.Context(), Digest{}))
}
