package diagnosis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/adminapi"
)

// TestCauses guards which causes remain, and which of them is likeliest.
func TestCauses(t *testing.T) {
	services := []adminapi.Service{
		{Name: "x5c", Profile: "x5c", Bundle: []string{"above"}}, {Name: "jwks", Profile: "jwks", Bundle: []string{"above"}}, {Name: "zot", Profile: "zot", Bundle: []string{"own"}},
	}
	first := []adminapi.Key{{Purpose: "authority", State: "active", Fingerprint: "above"}}
	switched := append([]adminapi.Key{{Purpose: "authority", State: "retired"}}, first...)
	for name, c := range map[string]struct {
		refusal Refusal
		causes  []string // how each begins
	}{
		"nothing is known":    {Refusal{Service: "x5c", Keys: first}, []string{"wrong issuer", "bundle from elsewhere", "the registry has REGISTRY_AUTH_TOKEN_JWKS"}},
		"after a switch":      {Refusal{Service: "x5c", Keys: switched}, []string{"bundle older", "wrong issuer", "the registry has REGISTRY_AUTH_TOKEN_JWKS"}},
		"the issuer is right": {Refusal{Service: "x5c", Keys: first, IssuerIsRight: true}, []string{"bundle from elsewhere", "the registry has REGISTRY_AUTH_TOKEN_JWKS"}},
		"both are right":      {Refusal{Service: "x5c", Keys: first, IssuerIsRight: true, BundleIsRight: true}, []string{"issuer and bundle are right"}},
		"keys by id":          {Refusal{Service: "jwks", Keys: first, BundleIsRight: true}, []string{"wrong issuer", "the registry is version 2.8"}},
		"an algorithm":        {Refusal{Service: "jwks", Keys: first, IssuerIsRight: true, Algorithm: "ES256"}, []string{"bundle from elsewhere", "the registry is version 2.8", "signingalgorithms"}},
		"a key of its own":    {Refusal{Service: "zot", Keys: first, Algorithm: "ES256"}, []string{"bundle from elsewhere", "wrong issuer"}},
		"an unknown service":  {Refusal{Service: "other", Keys: first}, []string{"bundle from elsewhere", "wrong issuer"}},
	} {
		c.refusal.PKI = adminapi.PKI{Issuer: "dockit", Services: services}
		causes := c.refusal.Causes()
		if assert.Len(t, causes, len(c.causes), name) {
			for i, begins := range c.causes {
				assert.True(t, strings.HasPrefix(causes[i], begins), "%s: %s", name, causes[i])
			}
		}
	}
}
