//go:build unix

package issuerkeys

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/issuertest"
)

// bearerFile makes a file with a token.
func bearerFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestBearerIsReadAnewAndShownToTheIssuerOnly(t *testing.T) {
	i, elsewhere := issuertest.New(t), issuertest.New(t)
	first := i.Sign(t, i.Claims(time.Now(), i.URL, map[string]any{"jti": "1"}))
	second := i.Sign(t, i.Claims(time.Now(), i.URL, map[string]any{"jti": "2"}))
	issuer := trusted(i)
	issuer.BearerFile = bearerFile(t, first+"\n")
	_, _, err := Fetch(t.Context(), issuer)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(issuer.BearerFile, []byte(second), 0o600))
	_, _, err = Fetch(t.Context(), issuer)
	require.NoError(t, err)
	assert.Equal(t, []string{"Bearer " + first, "Bearer " + second}, i.Authorizations(issuertest.Keys))
	assert.Equal(t, []string{"Bearer " + first, "Bearer " + second}, i.Authorizations(issuertest.Discovery))

	issuer.JWKSURL = elsewhere.URL + issuertest.Keys
	_, _, err = Fetch(t.Context(), issuer)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, elsewhere.Authorizations(issuertest.Keys), "another origin gets none")
}

func TestFilesOfTheServerReachNobody(t *testing.T) {
	i, other := issuertest.New(t), issuertest.New(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for name, file := range map[string]string{
		"secret":                    bearerFile(t, "root:x:0:0:very-secret"),
		"token of another issuer":   bearerFile(t, other.Sign(t, other.Claims(time.Now(), "a"))),
		"token that nobody signed":  bearerFile(t, "eyJhbGciOiJub25lIn0.e30."),
		"empty":                     bearerFile(t, ""),
		"large":                     bearerFile(t, strings.Repeat("a", 1<<20)),
		"folder":                    t.TempDir(),
		"not there":                 filepath.Join(t.TempDir(), "gone"),
		"pipe that nobody writes":   pipe,
		"device that never answers": "/dev/zero",
	} {
		t.Run(name, func(t *testing.T) {
			issuer := trusted(i)
			issuer.BearerFile = file
			_, _, err := Fetch(t.Context(), issuer)
			require.ErrorIs(t, err, ErrAnswer)
			assert.NotContains(t, err.Error(), "very-secret")
		})
	}
	assert.Zero(t, i.Requests(issuertest.Discovery))
}
