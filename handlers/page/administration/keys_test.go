package administration

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
)

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
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dockit/", http.NoBody)
	assert.Equal(t, "dockit rbac pki revoke abc --base-url http://example.com", revokeCommand(r, "abc"))
	assert.Equal(t, "dockit rbac pki revoke --base-url http://example.com -- -abc", revokeCommand(r, "-abc"))
}
