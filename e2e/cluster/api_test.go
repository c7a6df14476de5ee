package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const api = "/dockit/api/v1"

// http1 keeps connections: both Dockits stay up, whatever happens to the nodes.
var http1 = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}

// caller calls one Dockit as one user.
type caller struct {
	base, username, password string
}

// answer is what a request got.
type answer struct {
	status int
	kind   string
	body   []byte
}

// problem is the body of a refusal.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

func (a answer) problem() (p problem) {
	if strings.HasPrefix(a.kind, "application/problem+json") {
		_ = json.Unmarshal(a.body, &p) // then it says nothing, and the test tells
	}
	return p
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.status, bytes.TrimSpace(a.body))
}

// send makes one request.
func (c caller) send(ctx context.Context, method, path string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.username != "" {
		req.SetBasicAuth(c.username, c.password)
	}
	resp, err := http1.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), read}, err
}

// require makes a request of the admin API that must succeed, and decodes what it answers.
func (c caller) require(t *testing.T, method, path string, body, into any) {
	t.Helper()
	a, err := c.send(t.Context(), method, api+path, body)
	require.NoError(t, err)
	require.Truef(t, a.ok(), "%s %s: %s", method, path, a)
	if into != nil {
		require.NoError(t, json.Unmarshal(a.body, into))
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
	a, err := c.send(t.Context(), http.MethodGet, api+"/state?format=json", nil)
	require.NoError(t, err)
	require.Truef(t, a.ok(), "export: %s", a)
	require.NoError(t, json.Unmarshal(a.body, &exported))
	return exported, string(a.body)
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
