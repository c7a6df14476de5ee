package trust

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

func goodBundle(t *testing.T) string {
	t.Helper()
	return string(certificatePEM(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
}

// fetchTrustFile runs init-container against a server for a moment.
func initInto(t *testing.T, path string, handler http.HandlerFunc, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return execute(t, append([]string{"init-container", path, "--base-url", trustServer(t, handler), "--timeout", "400ms"}, args...)...)
}

// A bundle that does not belong to the keys of the server is no use: a
// Registry with it would refuse every token.
func TestInitContainerRefusesAForeignBundle(t *testing.T) {
	ours, foreign := dockitWith(t, goodBundle(t)), goodBundle(t)
	path := filepath.Join(t.TempDir(), "trust.pem")
	code, _, stderr := initInto(t, path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/certs/pem" {
			_, _ = w.Write([]byte(foreign))
			return
		}
		ours(w, r)
	})
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "something else answers for one of the server's paths")
	assert.NoFileExists(t, path)

	code, _, stderr = initInto(t, path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/certs/jws" {
			http.NotFound(w, r)
			return
		}
		ours(w, r)
	})
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "check it against /v2/certs/jws: status 404")
	assert.NoFileExists(t, path)
}

// A server that redirects is not Dockit, however good what it leads to is.
func TestInitContainerFollowsNoRedirect(t *testing.T) {
	good := dockitWith(t, goodBundle(t))
	elsewhere := trustServer(t, good)
	for name, target := range map[string]string{"another server": elsewhere, "another path": ""} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trust.pem")
			code, stdout, stderr := initInto(t, path, func(w http.ResponseWriter, r *http.Request) {
				if moved, found := strings.CutPrefix(r.URL.Path, "/moved"); found {
					r.URL.Path = moved
					good(w, r)
					return
				}
				location := target + r.URL.Path
				if target == "" {
					location = "/moved" + r.URL.Path
				}
				http.Redirect(w, r, location, http.StatusFound)
			})
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "it redirects to")
			assert.NoFileExists(t, path)
		})
	}
	// And what it leads to is good.
	code, _, stderr := execute(t, "init-container", filepath.Join(t.TempDir(), "trust.pem"), "--base-url", elsewhere)
	assert.Equal(t, 0, code, stderr)
}

func TestInitContainerPins(t *testing.T) {
	one, two := goodBundle(t), goodBundle(t)
	names, err := bundleFingerprints([]byte(one + two))
	require.NoError(t, err)
	whole := contentFingerprint([]byte(one + two))
	kids, err := keySetFingerprints(get(t, dockitWith(t, one), "/v2/certs/jwks"))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"the whole":             {[]string{"--fingerprint", whole}, 0},
		"as printed":            {[]string{"--fingerprint", "sha256:" + whole}, 0},
		"every certificate":     {[]string{"--fingerprint", names[0] + "," + names[1]}, 0},
		"one certificate only":  {[]string{"--fingerprint", names[0]}, 1},
		"something else":        {[]string{"--fingerprint", contentFingerprint(nil)}, 1},
		"no fingerprint at all": {[]string{"--fingerprint", "abc"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trust.pem")
			code, _, stderr := initInto(t, path, dockitWith(t, one+two), c.args...)
			require.Equal(t, c.code, code, stderr)
			if code == 0 {
				assert.FileExists(t, path)
			} else {
				assert.NoFileExists(t, path)
			}
			if code == 1 {
				assert.Contains(t, stderr, "sha256:"+whole)
			}
		})
	}
	code, _, stderr := initInto(t, filepath.Join(t.TempDir(), "trust.json"), dockitWith(t, one), "--format", "jwks", "--fingerprint", kids[0])
	assert.Equal(t, 0, code, stderr)
}

// get returns the body of an answer.
func get(t *testing.T, handler http.HandlerFunc, path string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, trustServer(t, handler)+path, nil)
	require.NoError(t, err)
	source := &Source{URL: request.URL, format: Formats["jwks"], http: http.DefaultClient}
	found, err := source.Fetch(t.Context())
	require.NoError(t, err)
	return found.Content
}

func TestInitContainerKeeps(t *testing.T) {
	good := goodBundle(t)
	expired := string(certificatePEM(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
	for name, c := range map[string]struct {
		present string
		handler http.HandlerFunc
		args    []string
		code    int
		says    string
	}{
		"a good file":            {good, clitest.Answers(500, ""), nil, 0, "keeping what is there"},
		"an expired file":        {expired, clitest.Answers(500, ""), nil, 1, "is not worth keeping"},
		"a torn file":            {good[:100], clitest.Answers(500, ""), nil, 1, "is not worth keeping"},
		"no file":                {"", clitest.Answers(500, ""), nil, 1, "there is no"},
		"not what is pinned":     {good, clitest.Answers(500, ""), []string{"--fingerprint", contentFingerprint(nil)}, 1, "is not worth keeping"},
		"an unknown service":     {good, clitest.Answers(400, "{}"), nil, 1, "left as it was"},
		"an answer not expected": {good, dockitWith(t, goodBundle(t)), []string{"--fingerprint", contentFingerprint([]byte(good))}, 1, "left as it was"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trust.pem")
			if c.present != "" {
				require.NoError(t, os.WriteFile(path, []byte(c.present), 0o600))
			}
			code, stdout, stderr := initInto(t, path, c.handler, append(c.args, "--keep")...)
			assert.Equal(t, c.code, code, stderr)
			assert.Contains(t, stderr, c.says)
			if c.code == 0 {
				assert.Contains(t, stdout, "kept "+path)
			}
			content, _ := os.ReadFile(path)
			assert.Equal(t, c.present, string(content))
		})
	}
}

func TestInitContainerOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trust.pem")
	self := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	code, _, stderr := initInto(t, path, dockitWith(t, goodBundle(t)), "--owner", self, "--mode", "0640")
	require.Equal(t, 0, code, stderr)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())

	for _, wrong := range []string{":", "nobody-of-that-name", "-1", "0:nothing-of-that-name"} {
		code, _, stderr = initInto(t, path, dockitWith(t, goodBundle(t)), "--owner", wrong)
		assert.Equal(t, 2, code, wrong)
		assert.Contains(t, stderr, "owner", wrong)
	}
}

func TestInitContainerRemovesLeftovers(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "trust.pem")
	old, young := filepath.Join(folder, ".trust.pem.123.dockit-partial"), filepath.Join(folder, ".trust.pem.456.dockit-partial")
	for _, leftover := range []string{old, young} {
		require.NoError(t, os.WriteFile(leftover, []byte("half of"), 0o600))
	}
	hourAgo := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(old, hourAgo, hourAgo))
	code, _, stderr := initInto(t, path, dockitWith(t, goodBundle(t)))
	require.Equal(t, 0, code, stderr)
	assert.NoFileExists(t, old)
	assert.FileExists(t, young, "another process may be writing it")
}

func TestParseNotification(t *testing.T) {
	for name, c := range map[string]struct{ signal, process, command, says string }{
		"nobody to signal": {"HUP", "", "", "go together"},
		"nothing to send":  {"", "registry", "", "go together"},
		"both":             {"HUP", "registry", "reload", "exclude each other"},
		"unknown signal":   {"LOUD", "registry", "", `"LOUD"`},
	} {
		_, err := parseNotification(c.signal, c.process, c.command)
		require.ErrorContains(t, err, c.says, name)
	}
	n, err := parseNotification("sighup", "registry", "")
	require.NoError(t, err)
	assert.Equal(t, "sent hangup to registry", n.String())
}

func TestFindProcesses(t *testing.T) {
	folder := t.TempDir()
	pidFile := filepath.Join(folder, "pid")
	require.NoError(t, os.WriteFile(pidFile, []byte("42\n"), 0o600))
	for _, process := range []string{"42", pidFile} {
		pids, err := findProcesses(process)
		require.NoError(t, err)
		assert.Equal(t, []int{42}, pids)
	}
	proc := t.TempDir()
	for pid, cmdline := range map[string]string{"7": "/bin/registry\x00serve\x00", "9": "registry\x00", "8": "other\x00registry", "self": "registry"} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "cmdline"), []byte(cmdline), 0o600))
	}
	pids, err := findByName("registry", proc)
	require.NoError(t, err)
	assert.Equal(t, []int{7, 9}, pids)
	_, err = findByName("zot", proc)
	require.ErrorContains(t, err, "shareProcessNamespace")
	require.NoError(t, os.WriteFile(pidFile, []byte("0"), 0o600))
	_, err = findProcesses(pidFile)
	require.Error(t, err)
}
