package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestWildCaddyfiles checks Caddyfiles as people have them, with the modules of
// this binary alone.
func TestWildCaddyfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wild", "*.caddyfile"))
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("LOG_DIR", dir)
			t.Setenv("XDG_DATA_HOME", dir)
			content, err := load(file)
			if err != nil {
				t.Fatal(err)
			}
			var config *caddy.Config
			if err := json.Unmarshal(content, &config); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(config); err != nil {
				t.Error(err)
			}
		})
	}
}
