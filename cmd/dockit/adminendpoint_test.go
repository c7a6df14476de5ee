package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/freeport"
)

func TestCloseAdminEndpoint(t *testing.T) {
	const closed = `{"disabled":true}`
	for name, tc := range map[string]struct{ config, admin string }{
		"nothing":              {`{}`, closed},
		"null":                 {`null`, closed},
		"admin is null":        {`{"admin":null,"apps":{}}`, closed},
		"an empty one":         {`{"admin":{}}`, closed},
		"only about itself":    {`{"admin":{"config":{"persist":false}}}`, `{"disabled":true,"config":{"persist":false}}`},
		"only about a browser": {`{"admin":{"origins":["a"]}}`, `{"disabled":true,"origins":["a"]}`},
		"off":                  {`{"admin":{"disabled":true}}`, closed},
		"on":                   {`{"admin":{"disabled":false}}`, `{"disabled":false}`},
		"an address":           {`{"admin":{"listen":"unix//run/a.sock"}}`, `{"listen":"unix//run/a.sock"}`},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := closeAdminEndpoint([]byte(tc.config))
			require.NoError(t, err)
			var got struct{ Admin any }
			var want any
			require.NoError(t, errors.Join(json.Unmarshal(config, &got), json.Unmarshal([]byte(tc.admin), &want)))
			assert.Equal(t, want, got.Admin, "%s, want %s", config, tc.admin)
		})
	}
	for name, config := range map[string]string{
		"no object":       `[]`,
		"admin is a word": `{"admin":"off"}`,
		"loads another":   `{"admin":{"disabled":true,"config":{"load":{"module":"http","url":"http://a/"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			config, err := closeAdminEndpoint([]byte(config))
			assert.Error(t, err, "taken as %s", config)
		})
	}
}

// TestAdminBlockStaysOnLoopback has Caddy take another address from CADDY_ADMIN.
func TestAdminBlockStaysOnLoopback(t *testing.T) {
	before := caddy.DefaultAdminListen
	t.Cleanup(func() { caddy.DefaultAdminListen = before })
	caddy.DefaultAdminListen = "0.0.0.0:2020"
	file := filepath.Join(t.TempDir(), "Caddyfile")
	require.NoError(t, os.WriteFile(file, []byte("{\n\tadmin {\n\t\torigins a\n\t}\n}\n"), 0o600))
	config, err := load(file)
	require.NoError(t, err)
	var got struct{ Admin struct{ Listen string } }
	require.NoError(t, json.Unmarshal(config, &got))
	assert.Equal(t, defaultAdminListen, got.Admin.Listen)
}

// TestRunKeepsTheAdminEndpointClosed serves files as they stand in the README.
// CADDY_ADMIN says where the endpoint would be, which is a free port here.
func TestRunKeepsTheAdminEndpointClosed(t *testing.T) {
	t.Parallel()
	const caddyfile = "{\n%s\n dockit {\n database sqlite dockit.sqlite\n}\n}\nhttp://127.0.0.1:%d {\n bind 127.0.0.1\n dockit\n}\n"
	for name, tc := range map[string]struct {
		file, content string
		options       string
		open          bool
	}{
		"README":          {"Caddyfile", caddyfile, "grace_period 10s", false},
		"other settings":  {"Caddyfile", caddyfile, "persist_config off", false},
		"off":             {"Caddyfile", caddyfile, "admin off", false},
		"socket":          {"Caddyfile", caddyfile, "admin unix/admin.sock", false},
		"asked for":       {"Caddyfile", caddyfile, "admin {$CADDY_ADMIN}", true},
		"JSON":            {"config.json", `{"apps":{%s"dockit":{"database":{"dsn":"a.sqlite"}},"http":{"servers":{"a":{"listen":["127.0.0.1:%d"],"routes":[{"handle":[{"handler":"dockit"}]}]}}}}}`, "", false},
		"JSON, asked for": {"config.json", `{"admin":{"listen":"{env.CADDY_ADMIN}"},"apps":{%s"dockit":{"database":{"dsn":"a.sqlite"}},"http":{"servers":{"a":{"listen":["127.0.0.1:%d"],"routes":[{"handle":[{"handler":"dockit"}]}]}}}}}`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin, site := freePort(t), freePort(t)
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, tc.file), fmt.Appendf(nil, tc.content, tc.options, site), 0o600))
			process := exec.Command("dockit", "run", "--config", tc.file)
			process.Dir = dir
			process.Env = append(process.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, fmt.Sprintf("CADDY_ADMIN=127.0.0.1:%d", admin))
			log := new(logBuffer)
			process.Stderr = log
			require.NoError(t, process.Start())
			t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
			base := fmt.Sprintf("http://127.0.0.1:%d", site)
			eventually(t, log, func() bool { return answers(base + "/readyz") })
			look := func() {
				assert.Equal(t, tc.open, answers(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/", admin)), "/debug/pprof/ answers")
				if tc.open {
					return
				}
				resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/config/apps/dockit/root_user", admin), "application/json", strings.NewReader(`{"name":"mallory"}`))
				if err == nil {
					resp.Body.Close()
				}
				assert.ErrorIs(t, err, syscall.ECONNREFUSED, "the configuration can be changed")
			}
			look()
			require.NoError(t, process.Process.Signal(syscall.SIGUSR1))
			eventually(t, log, func() bool { return strings.Contains(log.String(), "successfully reloaded config") })
			look()
			assert.Equal(t, tc.open, strings.Contains(log.String(), "admin endpoint is open"), "warned of an open endpoint")
		})
	}
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Next(t.Context())
	require.NoError(t, err)
	return port
}

func eventually(t *testing.T, log *logBuffer, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		require.LessOrEqual(t, time.Now(), deadline, "nothing happens: %s", log)
	}
}

// logBuffer is what a process has logged so far.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
