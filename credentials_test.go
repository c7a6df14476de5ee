package dockit

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// offlineLogin is docker login: it asks for a refresh token.
func offlineLogin(t *testing.T, s site) map[string]any {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url("/v2/token?service=registry.example.com&offline_token=true"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(rootName, rootPassword)
	resp, err := newClient(t).Do(req)
	if unanswered(err) {
		resp, err = newClient(t).Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %v", resp.Status, answer, err)
	}
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
		if _, issued := answer["refresh_token"]; issued != tc.issued {
			t.Errorf("%q: %v", tc.dockit, answer)
		}
	}
}

func TestAPIServerCredentials(t *testing.T) {
	config, _ := configOf(t, "--refresh-tokens", "--refresh-token-idle", "48h", "--access-token-life", "24h", "--robot-tokens", "5")
	var a App
	if err := json.Unmarshal(config.AppsRaw["dockit"], &a); err != nil {
		t.Fatal(err)
	}
	o := a.authOptions()
	if !o.RefreshTokens || o.RefreshTokenIdle.Hours() != 48 || o.RefreshTokenLife.Hours() != 90*24 || o.AccessTokenLife.Hours() != 24 || o.RobotTokens != 5 {
		t.Errorf("%+v", o)
	}
}

func TestRefusedPasswords(t *testing.T) {
	const refused = "Correct-Horse-Battery-Staple"
	list := filepath.Join(t.TempDir(), "refused.txt")
	if err := os.WriteFile(list, []byte(strings.ToLower(refused)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.dockit = "passwords {\n refused " + list + "\n}"
	mustLoad(t, s.String())
	for pw, status := range map[string]int{refused: http.StatusUnprocessableEntity, refused + "r": http.StatusCreated} {
		req, err := http.NewRequest(http.MethodPost, s.url("/dockit/api/v1/users"), strings.NewReader(`{"name":"alice","password":"`+pw+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth(rootName, rootPassword)
		resp, err := newClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", pw, resp.Status, status)
		}
	}
	s.dockit = "passwords {\n refused /nowhere/list\n}"
	if err := load(t, s.String()); err == nil || !strings.Contains(err.Error(), "/nowhere/list") {
		t.Errorf("a list that is missing: %v", err)
	}
	s.dockit = "lockout {\n window 2h\n}"
	if err := load(t, s.String()); err == nil || !strings.Contains(err.Error(), "at most 1h") {
		t.Errorf("a window that is too long: %v", err)
	}
}
