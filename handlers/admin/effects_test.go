package admin

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDryRunsChangeNothing guards that what grant and revoke would do can be seen before.
func TestDryRunsChangeNothing(t *testing.T) {
	f := populated(t)
	require.Equal(t, http.StatusCreated, f.do("POST", "/robots", `{"name":"fresh"}`).StatusCode)
	got := f.do("POST", "/robots/fresh/permissions?dry_run=true", `{"permission":"repository:team/*:push"}`)
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	assert.JSONEq(t, `{"permission":"repository:team/*:push","effects":{"changes":[{"gained":["pull","push"],"users":0,"robots":1,"some":["robot:fresh"]}],"same":0,"disabled":0}}`, string(got.body))
	assert.JSONEq(t, `{"items":[]}`, string(f.do("GET", "/robots/fresh/permissions", "").body))
	require.Equal(t, http.StatusOK, f.do("POST", "/robots/fresh/permissions?dry_run=false", `{"permission":"repository:team/*:push"}`).StatusCode)

	revocation := "/robots/fresh/permissions?dry_run=true&permission=" + url.QueryEscape("repository:team/*:push,delete")
	assert.JSONEq(t, `{"effects":{"changes":[{"lost":["pull","push"],"users":0,"robots":1,"some":["robot:fresh"]}],"same":0,"disabled":0}}`, string(f.do("DELETE", revocation, "").body))
	assert.JSONEq(t, `{"items":[{"permission":"repository:team/*:push"}]}`, string(f.do("GET", "/robots/fresh/permissions", "").body))
	assert.Equal(t, http.StatusConflict, f.do("DELETE", "/robots/fresh/permissions?dry_run=true&permission="+url.QueryEscape("repository:team/*:pull"), "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("POST", "/users/nobody/permissions?dry_run=true", `{"permission":"repository:team/*:push"}`).StatusCode)
}
