package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDemo tells the whole story to its end, and measures that it is one that reads in a minute.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), true, &out), "%s", &out)
	story := out.String()
	for _, chapter := range []string{"1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. ", "8. "} {
		assert.Contains(t, story, "\n"+chapter)
	}
	assert.Contains(t, story, "did what they should")
	assert.Regexp(t, `In a browser: http://localhost:\d+/dockit/\n`, story)
	assert.Equal(t, 5, strings.Count(story, "-> refused, as it should be"))
	assert.LessOrEqual(t, strings.Count(story, "\n"), 130, "it is too long")
	prose := 0
	for line := range strings.Lines(story) {
		if !strings.HasPrefix(line, "  $ ") && !strings.HasPrefix(line, "    ") {
			prose += len(strings.Fields(line))
		}
	}
	assert.LessOrEqual(t, prose, 220, "it is too long")
}
