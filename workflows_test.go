package dockit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestWorkflowsMakeWhatCIMakes compares the targets that GitHub runs with those of .ci/run and the Makefile.
func TestWorkflowsMakeWhatCIMakes(t *testing.T) {
	makefile := contentOf(t, "Makefile")
	made := regexp.MustCompile(`(?m)^make (.+)$`).FindStringSubmatch(contentOf(t, ".ci/run"))
	require.NotNil(t, made, "what .ci/run makes")
	var want []string
	for target := range strings.FieldsSeq(made[1]) {
		if target != "test" {
			want = append(want, target)
			continue
		}
		parts := regexp.MustCompile(`(?m)^test: ([^#\n]+)`).FindStringSubmatch(makefile)
		require.NotNil(t, parts, "what make test makes")
		want = append(want, strings.Fields(parts[1])...)
	}
	for file, targets := range map[string][]string{"ci.yml": want, "weekly.yml": nil} {
		var workflow struct {
			Jobs map[string]struct {
				Strategy struct {
					Matrix struct {
						Target []string
					}
				}
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(contentOf(t, ".github/workflows/"+file)), &workflow))
		matrix := workflow.Jobs["make"].Strategy.Matrix.Target
		require.NotEmpty(t, matrix, file)
		if targets != nil {
			assert.ElementsMatch(t, targets, matrix, file)
		}
		for _, target := range matrix {
			assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:`, makefile, file)
		}
	}
}

// TestWorkflowsTakeWhatWasLookedAt checks that no step of another repository changes by itself, and that no workflow may write.
func TestWorkflowsTakeWhatWasLookedAt(t *testing.T) {
	files, err := filepath.Glob(".github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	uses := regexp.MustCompile(`uses: *(\S+)`)
	for _, file := range files {
		content := contentOf(t, file)
		for _, match := range uses.FindAllStringSubmatch(content, -1) {
			assert.Regexp(t, `^(\./.+|[\w.-]+/[\w./-]+@[0-9a-f]{40})$`, match[1], file)
		}
		var workflow struct{ Permissions map[string]string }
		require.NoError(t, yaml.Unmarshal([]byte(content), &workflow), file)
		assert.Equal(t, map[string]string{"contents": "read"}, workflow.Permissions, file)
		assert.NotContains(t, content, "pull_request_target", file)
	}
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
