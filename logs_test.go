package dockit

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAccessLog checks that the log of the site names who asked, and that
// nothing secret is in any log.
func TestAccessLog(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "access.log")
	s.handlers = "log {\n\t\toutput file " + file + "\n\t\tformat filter {\n\t\t\trequest>uri regexp \"\\?.*\" \"\"\n\t\t}\n\t}\n\tdockit"
	mustLoad(t, s.String())

	client := newClient(t)
	for _, credentials := range [][2]string{{}, {rootName, rootPassword}, {rootName, "wrong-horse-battery"}} {
		req, err := http.NewRequest(http.MethodGet, s.url(tokenPath+"&password=in-the-query"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if credentials[0] != "" {
			req.SetBasicAuth(credentials[0], credentials[1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}

	var content []byte
	for deadline := time.Now().Add(10 * time.Second); strings.Count(string(content), "\n") < 3; time.Sleep(10 * time.Millisecond) {
		var err error
		if content, err = os.ReadFile(file); time.Now().After(deadline) {
			t.Fatalf("%v, log: %s", err, content)
		}
	}
	var users []string
	for line := range strings.Lines(string(content)) {
		var entry struct {
			UserID string `json:"user_id"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		users = append(users, entry.UserID)
	}
	if got := strings.Join(users, ","); got != ",root," {
		t.Errorf("users in the log: %q", got)
	}
	for _, secret := range []string{rootPassword, "wrong-horse", "in-the-query"} {
		if strings.Contains(string(content), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}
