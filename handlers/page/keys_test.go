package page

import (
	"net/http"
	"net/url"
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
	v := &visit{Request: f.request(), page: f.page, Principal: auth.Principal{Ref: userRef("root"), Admin: true}}
	keys, err := v.keys()
	require.NoError(f, err)
	return keys
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
	service := adminapi.Service{Name: "registry.example.com", Profile: "x5c"}
	signs := signerOf(service, keys, "active")
	require.NotNil(t, signs)

	answer := b.post("keys/rotate", "service", "registry.example.com")
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	page = answer.Body.String()
	assert.Contains(t, page, "No registry has to be restarted")
	now := signerOf(service, b.keys(), "active")
	require.NotNil(t, now)
	assert.NotEqual(t, signs.ID, now.ID)
	assert.Contains(t, page, now.ID)
	assert.Contains(t, b.get("keys").Body.String(), "retired")

	assert.Equal(t, http.StatusNotFound, b.post("keys/rotate", "service", "nowhere").Code)
	require.Equal(t, http.StatusOK, b.post("keys/rotate-authority").Code)
	assert.Equal(t, http.StatusConflict, b.post("keys/rotate-authority").Code, "registries do not know the next one yet")
	answer = b.post("keys/rotate-authority", "force", "true")
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	assert.Contains(t, answer.Body.String(), "before the authority is switched again")

	now = signerOf(service, b.keys(), "active")
	path := "keys/" + url.PathEscape(now.ID) + "/revoke"
	assert.Contains(t, b.get(path).Body.String(), now.ID)
	assert.Equal(t, now.ID, signerOf(service, b.keys(), "active").ID, "asking revokes nothing")
	answer = b.post(path)
	require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
	assert.Contains(t, answer.Body.String(), "Registries accept tokens of the revoked key until")
	assert.NotEqual(t, now.ID, signerOf(service, b.keys(), "active").ID)
	assert.Equal(t, http.StatusNotFound, b.post("keys/nothing/revoke").Code)

	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Actor: "user:root", Limit: 10})
	require.NoError(t, err)
	var actions []audit.Action
	for _, entry := range entries {
		actions = append(actions, entry.Action)
	}
	assert.Equal(t, []audit.Action{audit.RotateKeys, audit.RotateAuthority, audit.RotateAuthority, audit.RevokeKey}, actions)
}

func TestSignerOfAService(t *testing.T) {
	keys := []adminapi.Key{
		{ID: "shared", Purpose: "shared", State: "active"},
		{ID: "next", Purpose: "shared", State: "waiting"},
		{ID: "own", Purpose: "own", Service: "zot", State: "active"},
		{ID: "kid", Purpose: "kid-only", State: "active"},
		{ID: "above", Purpose: "authority", State: "active"},
	}
	for name, c := range map[string]struct {
		service adminapi.Service
		state   string
		id      string
	}{
		"x5c":             {adminapi.Service{Name: "a", Profile: "x5c"}, "active", "shared"},
		"x5c, next":       {adminapi.Service{Name: "a", Profile: "x5c"}, "waiting", "next"},
		"jwks":            {adminapi.Service{Name: "a", Profile: "jwks"}, "active", "kid"},
		"one of its own":  {adminapi.Service{Name: "zot", Profile: "zot"}, "active", "own"},
		"none that waits": {adminapi.Service{Name: "a", Profile: "jwks"}, "waiting", ""},
	} {
		key := signerOf(c.service, keys, c.state)
		if c.id == "" {
			assert.Nil(t, key, name)
			continue
		}
		require.NotNil(t, key, name)
		assert.Equal(t, c.id, key.ID, name)
	}
}

func TestRevokeCommandOfAnIDWithAHyphen(t *testing.T) {
	r := newFixture(t).request()
	assert.Equal(t, "dockit rbac pki revoke abc --base-url http://example.com", revokeCommand(r, "abc"))
	assert.Equal(t, "dockit rbac pki revoke --base-url http://example.com -- -abc", revokeCommand(r, "-abc"))
}
