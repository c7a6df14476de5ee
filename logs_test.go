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
		require.NoError(t, err)
		if credentials[0] != "" {
			req.SetBasicAuth(credentials[0], credentials[1])
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
	}

	var content []byte
	for deadline := time.Now().Add(10 * time.Second); strings.Count(string(content), "\n") < 3; time.Sleep(10 * time.Millisecond) {
		var err error
		content, err = os.ReadFile(file)
		require.LessOrEqual(t, time.Now(), deadline, "%v, log: %s", err, content)
	}
	var users []string
	for line := range strings.Lines(string(content)) {
		var entry struct {
			UserID string `json:"user_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		users = append(users, entry.UserID)
	}
	assert.Equal(t, ",root,", strings.Join(users, ","), "users in the log")
	for _, secret := range []string{rootPassword, "wrong-horse", "in-the-query"} {
		assert.NotContains(t, string(content), secret)
	}
}
