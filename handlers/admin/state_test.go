package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/state"
)

func yamlBody(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") }

func TestExportHoldsNoSecret(t *testing.T) {
	f := populated(t)
	got := f.do("GET", "/state", "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	assert.Equal(t, "application/yaml", got.Header.Get("Content-Type"))
	assert.NotContains(t, string(got.body), "$2")
	assert.NotContains(t, string(got.body), "anonymous", "what says nothing is left out")
	d, err := state.Parse(strings.NewReader(string(got.body)))
	require.NoError(t, err)
	assert.Len(t, d.Subjects, 6)
	got = f.do("GET", "/state?format=json", "")
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	_, err = state.Parse(strings.NewReader(string(got.body)))
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("GET", "/state?format=xml", "").StatusCode)
}

func TestApplyIsMadeByTheCaller(t *testing.T) {
	f := populated(t)
	got := f.do("PUT", "/state", "version: dockit/v1\nrobots:\n  - name: cd\n", yamlBody)
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	assert.JSONEq(t, `{"changes":[{"action":"create","subject":"robot:cd"}],"created":1,"updated":0,"removed":0}`, string(got.body))
	entries := f.audit("?action=apply")
	require.Len(t, entries, 1)
	assert.Equal(t, "user:root", string(entries[0].Actor))
}

func TestStateRefusals(t *testing.T) {
	f := populated(t)
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"nothing":          {"/state", "", 400, ""},
		"not a document":   {"/state", "hello", 422, ""},
		"unknown field":    {"/state", "version: dockit/v1\ncolour: red\n", 422, "line 2"},
		"unknown member":   {"/state", "version: dockit/v1\ngroups:\n  - name: dev\n    members: [\"user:nobody\"]\n", 409, "user:nobody"},
		"everybody gone":   {"/state?prune=true", "version: dockit/v1\nusers: []\n", 409, "enabled admin"},
		"prune and add":    {"/state?prune=true&add=true", "version: dockit/v1\n", 422, "not both"},
		"too large":        {"/state", "version: dockit/v1\n" + strings.Repeat("#\n", state.DefaultMaxSize/2), 413, ""},
		"secret in a hash": {"/state", "version: dockit/v1\nusers:\n  - name: x\n    password_hash: planted-secret\n", 422, "unusable password hash"},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do("PUT", c.path, c.body, yamlBody)
			assert.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			assert.Contains(t, got.problem(t).Detail, c.says)
			assert.NotContains(t, string(got.body), "planted-secret")
			assert.NotEqual(t, adminapi.CodeInternal, got.problem(t).Code)
		})
	}
}

// TestApplyDoesWhatThePlanSaid guards that nothing is done that nobody has seen.
func TestApplyDoesWhatThePlanSaid(t *testing.T) {
	f := populated(t)
	const document = "version: dockit/v1\nrobots:\n  - name: cd\n    permissions: [\"repository:a:pull\"]\n"
	planned := func() adminapi.Plan {
		var plan adminapi.Plan
		f.do("POST", "/state/plan", document, yamlBody).decode(t, &plan)
		return plan
	}
	tag := planned().Tag
	require.NotEmpty(t, tag)
	assert.Equal(t, tag, planned().Tag, "the same once more")
	ifMatch := func(tag string) func(*http.Request) {
		return func(r *http.Request) { yamlBody(r); r.Header.Set("If-Match", tag) }
	}
	require.Equal(t, http.StatusCreated, f.do("POST", "/robots", `{"name":"other"}`).StatusCode)
	assert.Equal(t, tag, planned().Tag, "a change of others does not matter")
	require.Equal(t, http.StatusCreated, f.do("POST", "/robots", `{"name":"cd"}`).StatusCode)
	got := f.do("PUT", "/state", document, ifMatch(tag))
	assert.Equal(t, http.StatusPreconditionFailed, got.StatusCode)
	assert.Equal(t, adminapi.CodeStale, got.problem(t).Code)
	assert.JSONEq(t, `{"items":[]}`, string(f.do("GET", "/robots/cd/permissions", "").body))
	assert.Equal(t, http.StatusOK, f.do("PUT", "/state", document, ifMatch(`"`+planned().Tag+`"`)).StatusCode)
	assert.JSONEq(t, `{"items":[{"permission":"repository:a:pull"}]}`, string(f.do("GET", "/robots/cd/permissions", "").body))
	assert.Equal(t, http.StatusPreconditionFailed, f.do("PUT", "/state", document, ifMatch(tag)).StatusCode, "there is nothing left to do, which is not what was planned")
}
