package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// TestDamagedWhileServing overwrites the whole database under a server. Whom it
// has seen gets tokens from memory, others are not answered that they are wrong, and
// changes are refused.
func TestDamagedWhileServing(t *testing.T) {
	dir, path := usedDatabase(t)
	p := startKilled(t, dir)
	c := p.client(t, badStoragePassword)
	admin := subject.Ref{Kind: subject.User, Name: "admin"}
	issued, err := c.CreateAccessToken(t.Context(), admin, adminapi.NewAccessToken{Name: "test"})
	require.NoError(t, err)
	passwords := []string{badStoragePassword, issued.Token}
	for _, password := range passwords {
		getTokenWith(t, p.base, password, http.StatusOK)
	}
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		overwriteBytes(t, file, 0, info.Size())
	}
	degraded := false
	for began := time.Now(); time.Since(began) < patience && !degraded; time.Sleep(100 * time.Millisecond) {
		for _, password := range passwords {
			getTokenWith(t, p.base, password, http.StatusOK)
		}
		if t.Failed() {
			break
		}
		resp, err := http.Get(p.base + "/readyz")
		require.NoError(t, err)
		says, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err, "/readyz: %s", says)
		assert.Equal(t, http.StatusOK, resp.StatusCode, "/readyz: %s", says)
		degraded = strings.Contains(string(says), `"degraded"`)
	}
	assert.True(t, degraded, "nobody noticed the damage")
	getTokenWith(t, p.base, "a wrong password", http.StatusServiceUnavailable)
	_, err = c.CreateRobot(t.Context(), adminapi.NewSubject{Name: "another"})
	wantStorageProblem(t, err, "")
}
