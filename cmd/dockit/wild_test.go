package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
)

// TestWildCaddyfiles checks Caddyfiles as people have them, with the modules of
// this binary alone.
func TestWildCaddyfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wild", "*.caddyfile"))
	require.NoError(t, err)
	require.Len(t, files, 9)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("LOG_DIR", dir)
			t.Setenv("XDG_DATA_HOME", dir)
			content, err := load(file)
			require.NoError(t, err)
			var config *caddy.Config
			require.NoError(t, json.Unmarshal(content, &config))
			assert.NoError(t, caddy.Validate(config))
		})
	}
}
