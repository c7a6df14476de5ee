package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// TestCaddyfilesInDocumentation adapts every Caddyfile of every page, but for what
// another Caddy than this binary is needed for.
func TestCaddyfilesInDocumentation(t *testing.T) {
	syntax := regexp.MustCompile(`<\w+>`) // of a directive, no file
	adapted := 0
	for page, blocks := range pagesOf(t) {
		for _, b := range blocks {
			if b.language != "caddyfile" || syntax.MatchString(b.content) {
				continue
			}
			_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(b.content), map[string]any{"filename": page})
			if err != nil {
				if match := lacking.FindStringSubmatch(err.Error()); match != nil {
					name := match[1] + match[2]
					if slices.Contains(leftOut, name) || thirdParty[name[strings.LastIndexByte(name, '.')+1:]] != "" {
						continue
					}
				}
			}
			require.NoError(t, err, "%s:%d", page, b.line)
			for _, warning := range warnings {
				if !strings.Contains(warning.Message, "not formatted") { // comments stand beside each other
					assert.Empty(t, warning.Message, "%s:%d", page, b.line)
				}
			}
			adapted++
		}
	}
	assert.Greater(t, adapted, 6)
}
