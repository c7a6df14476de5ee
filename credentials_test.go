package dockit

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// offlineLogin is docker login: it asks for a refresh token.
func offlineLogin(t *testing.T, s site) map[string]any {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url("/v2/token?service=registry.example.com&offline_token=true"), nil)
	require.NoError(t, err)
	req.SetBasicAuth(rootName, rootPassword)
	resp, err := newClient(t).Do(req)
	if unanswered(err) {
		resp, err = newClient(t).Do(req)
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer), "%s: %v", resp.Status, answer)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %v", resp.Status, answer)
	return answer
}

// TestRefreshTokensSwitch shows that refresh tokens are issued only where an
// operator turned them on, and that a reload turns them on and off.
func TestRefreshTokensSwitch(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		dockit string
		issued bool
	}{{"", false}, {"refresh_tokens on", true}, {"refresh_tokens off", false}} {
		s.dockit = tc.dockit
		mustLoad(t, s.String())
		answer := offlineLogin(t, s)
		_, issued := answer["refresh_token"]
		assert.Equal(t, tc.issued, issued, "%q: %v", tc.dockit, answer)
	}
}

func TestAPIServerCredentials(t *testing.T) {
	config, _ := configOf(t, "--refresh-tokens", "--refresh-token-idle", "48h", "--access-token-life", "24h", "--robot-tokens", "5")
	var a App
	require.NoError(t, json.Unmarshal(config.AppsRaw["dockit"], &a))
	o := a.authOptions()
	assert.True(t, o.RefreshTokens)
	assert.Equal(t, 48*time.Hour, o.RefreshTokenIdle)
	assert.Equal(t, 90*24*time.Hour, o.RefreshTokenLife)
	assert.Equal(t, 24*time.Hour, o.AccessTokenLife)
	assert.Equal(t, 5, o.RobotTokens)
}

func TestRefusedPasswords(t *testing.T) {
	const refused = "Correct-Horse-Battery-Staple"
	list := filepath.Join(t.TempDir(), "refused.txt")
	require.NoError(t, os.WriteFile(list, []byte(strings.ToLower(refused)+"\n"), 0o600))
	s := newSite(t)
	s.dockit = "passwords {\n refused " + list + "\n}"
	mustLoad(t, s.String())
	for pw, status := range map[string]int{refused: http.StatusUnprocessableEntity, refused + "r": http.StatusCreated} {
		req, err := http.NewRequest(http.MethodPost, s.url("/dockit/api/v1/users"), strings.NewReader(`{"name":"alice","password":"`+pw+`"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth(rootName, rootPassword)
		resp, err := newClient(t).Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, status, resp.StatusCode, "%s: %s", pw, resp.Status)
	}
	s.dockit = "passwords {\n refused /nowhere/list\n}"
	err := load(t, s.String())
	require.ErrorContains(t, err, "/nowhere/list", "a list that is missing")
	s.dockit = "lockout {\n window 2h\n}"
	err = load(t, s.String())
	assert.ErrorContains(t, err, "at most 1h", "a window that is too long")
}
