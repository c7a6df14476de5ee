package page

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNotesAreNoAlerts guards that the script begins to read at what is wrong with what was sent, and at no note that a page has
// whenever it is shown.
func TestNotesAreNoAlerts(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("frame", "assets", "script.js"))
	require.NoError(t, err)
	assert.Contains(t, string(script), `querySelector(".problem[role=alert]")`)
	assert.NotContains(t, string(script), `querySelector(".problem")`)

	alerts, notes := map[string]bool{}, map[string]bool{}
	tag := regexp.MustCompile(`<\w+ [^>]*class="problem"[^>]*>`)
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".html" {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range tag.FindAllString(string(source), -1) {
			if strings.Contains(found, `role="alert"`) {
				alerts[filepath.Base(path)] = true
			} else {
				notes[filepath.Base(path)] = true
			}
		}
		return err
	}))
	assert.Equal(t, map[string]bool{"parts.html": true, "signin.html": true, "auditverify.html": true, "repositories.html": true}, alerts)
	assert.True(t, notes["binding.html"] && notes["issuer.html"] && notes["deletion.html"], "%v", notes)
}
