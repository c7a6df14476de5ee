package admin

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

// TestChangesWaitForTheReplica has no process replicate: whatever may have changed
// something is not acknowledged then, and everything else is answered.
func TestChangesWaitForTheReplica(t *testing.T) {
	folder := t.TempDir()
	f := newFixtureOn(t, store.Config{
		Dialect: "sqlite", DSN: filepath.Join(folder, "dockit.sqlite"), LitestreamSocket: filepath.Join(folder, "nobody"),
	})
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		code                     adminapi.Code
	}{
		{"create", http.MethodPost, "/robots", `{"name":"ci"}`, http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"create again", http.MethodPost, "/robots", `{"name":"ci"}`, http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"grant", http.MethodPost, "/robots/ci/permissions", `{"permission":"repository:a:pull"}`, http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"grant again", http.MethodPost, "/robots/ci/permissions", `{"permission":"repository:a:pull"}`, http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"token", http.MethodPost, "/robots/ci/access-tokens", `{"name":"one"}`, http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"remove", http.MethodDelete, "/robots/ci", "", http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"remove again", http.MethodDelete, "/robots/ci", "", http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"rotate keys", http.MethodPost, "/pki/rotate", "{}", http.StatusServiceUnavailable, adminapi.CodeNotReplicated},
		{"invalid", http.MethodPost, "/robots", `{"name":"C:i"}`, http.StatusUnprocessableEntity, adminapi.CodeInvalid},
		{"list", http.MethodGet, "/robots", "", http.StatusOK, ""},
		{"export", http.MethodGet, "/state", "", http.StatusOK, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := f.do(tc.method, tc.path, tc.body)
			require.Equal(t, tc.status, a.StatusCode, "%s", a.body)
			if tc.code == "" {
				return
			}
			p := a.problem(t)
			assert.Equal(t, tc.code, p.Code)
			assert.NotContains(t, string(a.body), "dockit_", "a secret")
			if tc.code == adminapi.CodeNotReplicated {
				assert.Contains(t, p.Detail, "the change is made")
				assert.Empty(t, a.Header.Values("ETag"))
				assert.Empty(t, a.Header.Values("Location"))
			}
		})
	}
}
