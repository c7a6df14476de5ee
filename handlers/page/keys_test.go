package page

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// forgotten lets a bubble's clock go on until a password is to be given again.
func forgotten(t *testing.T) {
	t.Helper()
	time.Sleep(6 * time.Minute)
}

// keys are the keys as the admin API lists them.
func (f *fixture) keys() []adminapi.Key {
	f.Helper()
	ctx := auth.WithPrincipal(f.Context(), auth.Principal{Ref: userRef("root"), Admin: true})
	w := httptest.NewRecorder()
	f.api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, adminapi.Prefix+"pki/keys", http.NoBody))
	var list adminapi.List[adminapi.Key]
	require.NoError(f, json.Unmarshal(w.Body.Bytes(), &list), "body: %s", w.Body)
	return list.Items
}

// signer is the key in use, of every service.
func (f *fixture) signer() adminapi.Key {
	f.Helper()
	keys := f.keys()
	at := slices.IndexFunc(keys, func(k adminapi.Key) bool { return k.Purpose == "shared" && k.State == "active" })
	require.GreaterOrEqual(f, at, 0, "%+v", keys)
	return keys[at]
}

// TestKeysAreShownAndReplaced guards what the page says of keys, and each way to replace them.
func TestKeysAreShownAndReplaced(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("root")
	keys := b.keys()
	page := b.get("keys").Body.String()
	for _, key := range keys {
		assert.Contains(t, page, key.ID)
	}
	for _, says := range []string{"registry.example.com", "Signs now", "Comes next", "authority, active", "authority, waiting", "dockit rbac pki doctor --registry https://registry.example.com", "REGISTRY_AUTH_TOKEN_ISSUER at the registry must be"} {
		assert.Contains(t, page, says)
	}
	signs := b.signer()

	answer := b.post("keys/rotate", "service", "registry.example.com")
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	page = answer.Body.String()
	assert.Contains(t, page, "No registry has to be restarted")
	now := b.signer()
	assert.NotEqual(t, signs.ID, now.ID)
	assert.Contains(t, page, now.ID)
	assert.Contains(t, b.get("keys").Body.String(), "retired")

	assert.Equal(t, http.StatusNotFound, b.post("keys/rotate", "service", "nowhere").Code)
	require.Equal(t, http.StatusOK, b.post("keys/rotate-authority").Code)
	assert.Equal(t, http.StatusConflict, b.post("keys/rotate-authority").Code, "registries do not know the next one yet")
	answer = b.post("keys/rotate-authority", "force", "true")
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	assert.Contains(t, answer.Body.String(), "before the authority is switched again")

	now = b.signer()
	path := "keys/" + url.PathEscape(now.ID) + "/revoke"
	assert.Contains(t, b.get(path).Body.String(), now.ID)
	assert.Equal(t, now.ID, b.signer().ID, "asking revokes nothing")
	answer = b.post(path)
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	assert.Contains(t, answer.Body.String(), "Registries accept tokens of the revoked key until")
	assert.NotEqual(t, now.ID, b.signer().ID)
	assert.Equal(t, http.StatusNotFound, b.post("keys/nothing/revoke").Code)

	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Actor: "user:root", Limit: 10})
	require.NoError(t, err)
	var actions []audit.Action
	for _, entry := range entries {
		actions = append(actions, entry.Action)
	}
	assert.Equal(t, []audit.Action{audit.RotateKeys, audit.RotateAuthority, audit.RotateAuthority, audit.RevokeKey}, actions)
}
