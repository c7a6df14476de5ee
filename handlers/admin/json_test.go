package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
)

// TestNamesCountInTheirCaseAndOnce sends what one reader takes for harmless and
// another for an admin.
func TestNamesCountInTheirCaseAndOnce(t *testing.T) {
	f := populated(t)
	before, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	for name, c := range map[string]struct{ method, path, body, says string }{
		"upper case":               {"POST", "/users", `{"name":"eve","ADMIN":true}`, "unexpected property"},
		"another case of a must":   {"POST", "/users", `{"Name":"eve"}`, "unexpected property"},
		"folded beyond ASCII":      {"PATCH", "/users/bob", `{"di` + "\u017f" + `abled":true}`, "unexpected property"}, // ſ folds to s
		"twice":                    {"POST", "/users", `{"name":"eve","admin":false,"admin":true}`, "given twice"},
		"twice, once escaped":      {"POST", "/users", `{"name":"eve","admin":false,"\u0061dmin":true}`, "given twice"},
		"twice the same":           {"PATCH", "/users/bob", `{"disabled":true,"disabled":true}`, "given twice"},
		"twice in two cases":       {"PATCH", "/users/bob", `{"admin":false,"Admin":true}`, "unexpected property"},
		"twice in a nested object": {"POST", "/users/bob/access-tokens", `{"name":"x","scopes":[{"a":1,"a":2}]}`, "given twice"},
		"optional body":            {"POST", "/pki/rotate-ca", `{"force":false,"force":true}`, "given twice"},
		"optional body, case":      {"POST", "/pki/rotate-ca", `{"Force":true}`, "unexpected property"},
		"token":                    {"POST", "/users/bob/access-tokens", `{"name":"x","Scopes":[]}`, "unexpected property"},
		"permission":               {"POST", "/users/bob/permissions", `{"PERMISSION":"repository:a:pull"}`, "unexpected property"},
		"very deep":                {"POST", "/users", strings.Repeat(`[`, 30_000), "deep"},
		"two values":               {"PATCH", "/users/bob", `{"disabled":true}{"disabled":false}`, ""},
		"parameter":                {"PUT", "/state?prune=false&prune=true", "version: dockit/v1\n", "given 2 times"},
		"state document, JSON":     {"PUT", "/state?add=true", `{"version":"dockit/v1","users":[{"name":"eve","admin":false,"admin":true}]}`, `\"admin\" is given twice`},
		"state document, top":      {"PUT", "/state?add=true", `{"version":"dockit/v1","users":[],"users":[{"name":"eve"}]}`, `\"users\" is given twice`},
		"state document, case":     {"PUT", "/state?add=true", `{"version":"dockit/v1","users":[{"name":"eve","Admin":true}]}`, `unknown field \"Admin\"`},
		"state document, YAML":     {"PUT", "/state?add=true", "version: dockit/v1\nusers:\n- {name: eve, admin: false, \"admin\": true}\n", `\"admin\" is given twice`},
		"state document, merged":   {"PUT", "/state?add=true", "version: dockit/v1\nusers:\n- {name: eve, <<: {admin: true}}\n", `unknown field \"<<\"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do(c.method, c.path, c.body, func(r *http.Request) {
				if strings.HasPrefix(c.path, "/state") {
					r.Header.Set("Content-Type", "application/yaml")
				}
			})
			assert.Equal(t, adminapi.CodeInvalid, got.problem(t).Code)
			assert.Contains(t, string(got.body), c.says)
		})
	}
	after, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Revision, after.Revision, "a refused request changes nothing")
}
