package routeorder

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// matches is a matcher for whole paths and for prefixes.
func matches(matcher json.RawMessage, path string) bool {
	var patterns []string
	if json.Unmarshal(matcher, &patterns) != nil {
		return true
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, found := strings.CutSuffix(pattern, "*")
		return pattern == path || found && strings.HasPrefix(path, prefix)
	})
}

func TestAuthenticationBefore(t *testing.T) {
	const (
		asks   = `{"handle":[{"handler":"authentication"}]}`
		dockit = `{"handle":[{"handler":"dockit"}]}`
	)
	for name, tc := range map[string]struct {
		routes string
		path   string // one that is hidden; empty when none is
	}{
		"before":                       {asks + "," + dockit, "/v2/token"},
		"after":                        {dockit + "," + asks, ""},
		"in the same route":            {`{"handle":[{"handler":"authentication"},{"handler":"dockit"}]}`, "/v2/token"},
		"on other paths":               {`{"match":[{"path":["/private/*"]}],"handle":[{"handler":"authentication"}]},` + dockit, ""},
		"not on Dockit's":              {`{"match":[{"not":[{"path":["/v2/*","/dockit/*","/healthz","/readyz"]}]}],"handle":[{"handler":"authentication"}]},` + dockit, ""},
		"not for some, who knows whom": {`{"match":[{"not":[{"remote_ip":{}}]}],"handle":[{"handler":"authentication"}]},` + dockit, "/v2/token"},
		"ends there":                   {`{"terminal":true,"handle":[{"handler":"authentication"}]},` + dockit, ""},
		"another of its group":         {`{"group":"a","handle":[{"handler":"authentication"}]},{"group":"a","handle":[{"handler":"dockit"}]}`, ""},
		"another group":                {`{"group":"a","handle":[{"handler":"authentication"}]},{"group":"b","handle":[{"handler":"dockit"}]}`, "/v2/token"},
		"some endpoints":               {asks + `,{"handle":[{"handler":"dockit","endpoints":["admin"]}]}`, "/dockit/api/v1/users"},
		"in a subroute":                {asks + `,{"handle":[{"handler":"subroute","routes":[` + dockit + `]}]}`, "/v2/token"},
		"forward_auth":                 {`{"handle":[{"handler":"reverse_proxy","handle_response":[{}]}]},` + dockit, "/v2/token"},
		"a proxy":                      {`{"handle":[{"handler":"reverse_proxy"}]},` + dockit, ""},
		"a named route":                {`{"handle":[{"handler":"invoke","name":"asks"}]},` + dockit, "/v2/token"},
		"one that invokes itself":      {`{"handle":[{"handler":"invoke","name":"round"}]},` + dockit, ""},
		"a matcher that does not read": {`{"match":[{"path":7}],"handle":[{"handler":"authentication"}]},` + dockit, "/v2/token"},
	} {
		t.Run(name, func(t *testing.T) {
			app := `{"servers":{"a":{"routes":[` + tc.routes + `],"named_routes":{"asks":` + asks + `,"round":{"handle":[{"handler":"invoke","name":"round"}]}}},"b":{"routes":[` + asks + `]}}}`
			found := AuthenticationBefore(json.RawMessage(app), matches)
			if tc.path == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, "a", found[0].Server)
			assert.Contains(t, found[0].Paths, tc.path)
		})
	}
	assert.Empty(t, AuthenticationBefore(json.RawMessage(`[]`), matches), "no HTTP app")
}
