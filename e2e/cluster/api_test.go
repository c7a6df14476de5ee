package cluster

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

const api = "/dockit/api/v1"

// caller is somebody who calls one Dockit.
type caller struct{ call.Caller }

// require makes a request of the admin API that must succeed, and decodes what it answers.
func (c caller) require(t *testing.T, method, path string, body, into any) {
	t.Helper()
	a, err := c.Send(t.Context(), method, api+path, body)
	require.NoError(t, err)
	require.Truef(t, a.OK(), "%s %s: %s", method, path, a)
	if into != nil {
		require.NoError(t, json.Unmarshal(a.Body, into))
	}
}

func (c caller) addRobot(t *testing.T, name string) {
	t.Helper()
	c.require(t, http.MethodPost, "/robots", map[string]any{"name": name}, nil)
}

// grant gives a robot the right to pull one repository.
func (c caller) grant(t *testing.T, robot, repository string) {
	t.Helper()
	c.require(t, http.MethodPost, "/robots/"+robot+"/permissions", pullOf(repository), nil)
}

func pullOf(repository string) map[string]string {
	return map[string]string{"permission": "repository:" + repository + ":pull"}
}

// accessToken makes an access token of a robot and returns its secret.
func (c caller) accessToken(t *testing.T, robot string) string {
	t.Helper()
	var issued struct {
		Token string `json:"token"`
	}
	c.require(t, http.MethodPost, "/robots/"+robot+"/access-tokens", map[string]any{"name": "cluster"}, &issued)
	return issued.Token
}

// subjects are those of a kind by name, with their permissions.
type subjects map[string][]string

// state is everything that a Dockit exports.
type state struct {
	Users, Robots []struct {
		Name        string
		Admin       bool
		Permissions []string
	}
}

func (c caller) state(t *testing.T) (exported state, text string) {
	t.Helper()
	a, err := c.Send(t.Context(), http.MethodGet, api+"/state?format=json", nil)
	require.NoError(t, err)
	require.Truef(t, a.OK(), "export: %s", a)
	require.NoError(t, json.Unmarshal(a.Body, &exported))
	return exported, string(a.Body)
}

func (s state) robots() subjects {
	robots := subjects{}
	for _, r := range s.Robots {
		robots[r.Name] = r.Permissions
	}
	return robots
}

// auditEntry is what the test reads of one.
type auditEntry struct {
	Sequence int64
	Action   string
	Subject  string
	After    json.RawMessage
}

// audit lists all of it.
func (c caller) audit(t *testing.T) []auditEntry {
	t.Helper()
	var all []auditEntry
	for cursor := ""; ; {
		var page struct {
			Items      []auditEntry
			NextCursor string `json:"next_cursor"`
		}
		c.require(t, http.MethodGet, "/audit?limit=1000&cursor="+url.QueryEscape(cursor), nil, &page)
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}
