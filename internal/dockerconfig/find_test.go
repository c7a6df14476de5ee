package dockerconfig

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseHost(t *testing.T) {
	for registry, host := range map[string]Host{
		"registry.example.com":              "registry.example.com",
		"localhost:5000":                    "localhost:5000",
		"https://registry.example.com/":     "registry.example.com",
		"http://registry.example.com:8080/": "registry.example.com:8080",
		"[::1]:5000":                        "[::1]:5000",
		"registry.example.com/team/app":     "registry.example.com/team/app",
	} {
		got, err := ParseHost(registry)
		require.NoError(t, err, registry)
		assert.Equal(t, host, got, registry)
	}
	for _, registry := range []string{"", "https://", "user:secret@host", "https://user:secret@[::1", "http://[::1"} {
		_, err := ParseHost(registry)
		require.Error(t, err, registry)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// emptyHome is a home without any logins.
func emptyHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", filepath.Join(home, "docker"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	return home
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
}

func TestFind(t *testing.T) {
	const host = "registry.example.com"
	plain := func(key string) string {
		return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, key, base64.StdEncoding.EncodeToString([]byte("alice:pass:word")))
	}
	helper := "#!/bin/sh\nread server\n[ \"$1 $server\" = \"get registry.example.com\" ] || { echo 'credentials not found in native keychain'; exit 1; }\necho '{\"Username\":\"%s\",\"Secret\":\"from-helper\"}'\n"
	for name, c := range map[string]struct {
		files        map[string]string
		username, pw string
	}{
		"nothing":         {nil, "", ""},
		"plain":           {map[string]string{"docker/config.json": plain(host)}, "alice", "pass:word"},
		"with a scheme":   {map[string]string{"docker/config.json": plain("https://" + host)}, "alice", "pass:word"},
		"another host":    {map[string]string{"docker/config.json": plain("other." + host)}, "", ""},
		"podman":          {map[string]string{"run/containers/auth.json": plain(host)}, "alice", "pass:word"},
		"podman, config":  {map[string]string{"config/containers/auth.json": plain(host)}, "alice", "pass:word"},
		"identity token":  {map[string]string{"docker/config.json": `{"auths":{"` + host + `":{"auth":"PHRva2VuPjo=","identitytoken":"opaque"}}}`}, "", "opaque"},
		"helper":          {map[string]string{"docker/config.json": `{"credHelpers":{"` + host + `":"fake"}}`, "bin/docker-credential-fake": fmt.Sprintf(helper, "bob")}, "bob", "from-helper"},
		"store":           {map[string]string{"docker/config.json": `{"credsStore":"fake"}`, "bin/docker-credential-fake": fmt.Sprintf(helper, "bob")}, "bob", "from-helper"},
		"token by helper": {map[string]string{"docker/config.json": `{"credsStore":"fake"}`, "bin/docker-credential-fake": fmt.Sprintf(helper, "<token>")}, "", "from-helper"},
	} {
		t.Run(name, func(t *testing.T) {
			home := emptyHome(t)
			t.Setenv("PATH", filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
			for path, content := range c.files {
				write(t, filepath.Join(home, path), content, 0o700)
			}
			login, err := Find(t.Context(), host)
			require.NoError(t, err)
			assert.Equal(t, c.username, login.Username)
			assert.Equal(t, c.pw, login.Secret)
		})
	}
}

// A login is found wherever docker or podman stored it, in the order of podman.
func TestFindLooksInTheNextFile(t *testing.T) {
	login := func(logins ...string) string { // KEY NAME
		var entries []string
		for _, one := range logins {
			key, name, _ := strings.Cut(one, " ")
			entries = append(entries, fmt.Sprintf("%q:{\"auth\":%q}", key, base64.StdEncoding.EncodeToString([]byte(name+":pass"))))
		}
		return `{"auths":{` + strings.Join(entries, ",") + `}}`
	}
	const (
		other  = "other.example.com elsewhere"
		docker = "docker/config.json"
		run    = "run/containers/auth.json"
		xdg    = "config/containers/auth.json"
		named  = "named/auth.json"
	)
	helper := "#!/bin/sh\nread server\n[ \"$server\" = r.example.com ] || { echo 'credentials not found in native keychain'; exit 1; }\necho '{\"Username\":\"helped\",\"Secret\":\"pass\"}'\n"
	for _, tc := range []struct {
		name     string
		registry string
		files    map[string]string
		want     string
	}{
		{"podman beside docker", "", map[string]string{docker: login(other), run: login("r.example.com podman")}, "podman"},
		{"podman beside docker without logins", "", map[string]string{docker: `{}`, xdg: login("r.example.com podman")}, "podman"},
		{"podman after a helper that has nothing", "h.example.com", map[string]string{docker: `{"credsStore":"fake"}`, run: login("h.example.com podman")}, "podman"},
		{"podman after a helper that is not there", "", map[string]string{docker: `{"credsStore":"missing-one"}`, run: login("r.example.com podman")}, "podman"},
		{"podman after a broken file", "", map[string]string{docker: `{"auths":`, run: login("r.example.com podman")}, "podman"},
		{"podman's helper", "", map[string]string{docker: login(other), run: `{"credHelpers":{"r.example.com":"fake"}}`}, "helped"},
		{"named file first", "", map[string]string{named: login("r.example.com named"), docker: login("r.example.com docker"), run: login("r.example.com podman")}, "named"},
		{"named file without it", "", map[string]string{named: login(other), docker: login("r.example.com docker")}, "docker"},
		{"docker before podman", "", map[string]string{docker: login("r.example.com docker"), run: login("r.example.com podman")}, "docker"},
		{"runtime before home", "", map[string]string{run: login("r.example.com run"), xdg: login("r.example.com home")}, "run"},
		{"namespace", "r.example.com/team/app", map[string]string{run: login("r.example.com host", "r.example.com/team team")}, "team"},
		{"most special namespace", "r.example.com/team/app", map[string]string{run: login("r.example.com/team team", "r.example.com/team/app app")}, "app"},
		{"host of a namespace", "r.example.com/ops", map[string]string{run: login("r.example.com host", "r.example.com/team team")}, "host"},
		{"host before its namespaces", "", map[string]string{run: login("r.example.com/a a", "r.example.com host")}, "host"},
		{"only namespace", "", map[string]string{run: login("r.example.com/team team", other)}, "team"},
		{"several namespaces", "", map[string]string{run: login("r.example.com/a a", "r.example.com/b b")}, ""},
		{"another namespace", "r.example.com/ops", map[string]string{run: login("r.example.com/team team")}, ""},
		{"address of docker", "", map[string]string{docker: login("https://r.example.com/v1/ docker")}, "docker"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := emptyHome(t)
			t.Setenv("PATH", filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
			write(t, filepath.Join(home, "bin/docker-credential-fake"), helper, 0o700)
			for path, content := range tc.files {
				write(t, filepath.Join(home, path), content, 0o600)
			}
			if tc.files[named] != "" {
				t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(home, named))
			}
			login, err := Find(t.Context(), Host(cmp.Or(tc.registry, "r.example.com")))
			require.NoError(t, err)
			assert.Equal(t, tc.want, login.Username)
		})
	}
}

func TestFindTellsWhatIsBroken(t *testing.T) {
	for name, content := range map[string]string{
		"file":               `{"auths":`,
		"helper":             `{"credsStore":"missing-one"}`,
		"helper in a folder": `{"credsStore":"x/../fake"}`,
	} {
		t.Run(name, func(t *testing.T) {
			write(t, filepath.Join(emptyHome(t), "docker", "config.json"), content, 0o600)
			_, err := Find(t.Context(), "registry.example.com")
			assert.ErrorContains(t, err, "registry.example.com")
		})
	}
}

// A login that cannot be read is in the way of no other.
func TestFindPassesOverWhatIsNotMeant(t *testing.T) {
	home := emptyHome(t)
	write(t, filepath.Join(home, "docker/config.json"), `{"auths":{"broken.example.com":{"auth":"%"},"r.example.com":{"auth":"YTpi"}}} {`, 0o600)
	login, err := Find(t.Context(), "r.example.com")
	require.NoError(t, err)
	assert.Equal(t, Login{Username: "a", Secret: "b"}, login)
	_, err = Find(t.Context(), "broken.example.com")
	assert.ErrorContains(t, err, "log in again")
}

// docker takes logins from a variable before its file, and goes on when that is
// broken.
func TestFindInTheVariable(t *testing.T) {
	home := emptyHome(t)
	write(t, filepath.Join(home, "docker/config.json"), `{"auths":{"r.example.com":{"auth":"YTpi"},"other.example.com":{"auth":"YTpi"}}}`, 0o600)
	for _, tc := range []struct{ name, variable, host, want string }{
		{"first", `{"auths":{"r.example.com":{"auth":"YzpkOmU="}}}`, "r.example.com", "d:e"},
		{"without it", `{"auths":{"r.example.com":{"auth":"YzpkOmU="}}}`, "other.example.com", "b"},
		{"broken", `{"auths":`, "r.example.com", "b"},
		{"a helper", `{"credsStore":"missing-one"}`, "r.example.com", "b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("DOCKER_AUTH_CONFIG", tc.variable)
			login, err := Find(t.Context(), Host(tc.host))
			require.NoError(t, err)
			assert.Equal(t, tc.want, login.Secret)
		})
	}
}

// A file of any size may stand where docker's is expected.
func TestFilesAreBounded(t *testing.T) {
	home := emptyHome(t)
	write(t, filepath.Join(home, "docker/config.json"), strings.Repeat(" ", maxConfig+1), 0o600)
	_, err := Find(t.Context(), "r.example.com")
	assert.ErrorContains(t, err, "larger than 8 MiB")
}
