package dockerconfig

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keychain is a credential helper that keeps one login, in a file beside it.
const keychain = `#!/bin/sh
kept=$(dirname "$0")/kept
case $1 in
store) cat >"$kept" ;;
get) cat "$kept" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) rm "$kept" || { echo 'nothing to erase'; exit 1; } ;;
esac
`

// withHelpers is an empty home with credential helpers on the PATH.
func withHelpers(t *testing.T, names ...string) (home string) {
	t.Helper()
	home = emptyHome(t)
	t.Setenv("PATH", filepath.Join(home, "bin")+":/usr/bin:/bin")
	for _, name := range names {
		write(t, filepath.Join(home, "bin", name), keychain, 0o700)
	}
	return home
}

var (
	alice = Login{Username: "alice", Secret: "pass:word"}
	token = Login{Secret: "opaque", IdentityToken: true}
)

// TestStore guards what docker finds after it: where the login is, that all else
// in the file stays, and that nothing secret stands beside a helper.
func TestStore(t *testing.T) {
	const file = "docker/config.json"
	for name, tc := range map[string]struct {
		before  string
		helpers []string
		login   Login
		where   string // file is the path below home
		after   string
		kept    string
	}{
		"no file":   {"", nil, alice, file, `{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, ""},
		"empty":     {"\n", nil, alice, file, `{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, ""},
		"null auth": {`{"auths":null}`, nil, alice, file, `{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, ""},
		"replaced": {
			`{"auths":{"r.example.com":{"auth":"Ym9iOng="}}}`, nil, alice, file,
			`{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, "",
		},
		"others stay": {
			`{"auths":{"o.example.com":{"auth":"Ym9iOng=","email":"<b@x>"}},"HttpHeaders":{"a":"<&>"},"new":[1.50,{}],"detachKeys":"ctrl-e"}`, nil, alice, file,
			`{"auths":{"o.example.com":{"auth":"Ym9iOng=","email":"<b@x>"},"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}},"HttpHeaders":{"a":"<&>"},"new":[1.50,{}],"detachKeys":"ctrl-e"}`, "",
		},
		"identity token": {
			`{}`, nil,
			Login{"alice", "opaque", true},
			file,
			`{"auths":{"r.example.com":{"auth":"YWxpY2U6","identitytoken":"opaque"}}}`, "",
		},
		"helper": {
			`{"credHelpers":{"r.example.com":"fake"},"auths":{"r.example.com":{"auth":"Ym9iOng="}}}`,
			[]string{"docker-credential-fake"},
			alice, "credential helper fake",
			`{"credHelpers":{"r.example.com":"fake"},"auths":{"r.example.com":{}}}`, `{"ServerURL":"r.example.com","Username":"alice","Secret":"pass:word"}`,
		},
		"store": {
			`{"credsStore":"fake"}`,
			[]string{"docker-credential-fake"},
			token, "credential helper fake",
			`{"credsStore":"fake","auths":{"r.example.com":{}}}`, `{"ServerURL":"r.example.com","Username":"<token>","Secret":"opaque"}`,
		},
		"file by name beside a store": {
			`{"credsStore":"fake","credHelpers":{"r.example.com":""}}`,
			[]string{"docker-credential-fake"},
			alice, file,
			`{"credsStore":"fake","credHelpers":{"r.example.com":""},"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, "",
		},
		"helper of the platform": {
			`{"psFormat":"x"}`,
			[]string{"docker-credential-pass", "pass"},
			alice, "credential helper pass",
			`{"psFormat":"x","credsStore":"pass","auths":{"r.example.com":{}}}`, `{"ServerURL":"r.example.com","Username":"alice","Secret":"pass:word"}`,
		},
		"helper of the platform, and logins in the file": {
			`{"auths":{"o.example.com":{"auth":"Ym9iOng="}}}`,
			[]string{"docker-credential-pass", "pass"},
			alice, file,
			`{"auths":{"o.example.com":{"auth":"Ym9iOng="},"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := withHelpers(t, tc.helpers...)
			path := filepath.Join(home, file)
			if tc.before != "" {
				write(t, path, tc.before, 0o644)
			}
			if tc.where == file {
				tc.where = path
			}
			where, err := Store(t.Context(), "r.example.com/team", tc.login)
			require.NoError(t, err)
			assert.Equal(t, tc.where, where)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.JSONEq(t, tc.after, string(after))
			assert.NotContains(t, string(after), `\u00`)
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			if tc.kept != "" {
				kept, err := os.ReadFile(filepath.Join(home, "bin/kept"))
				require.NoError(t, err)
				assert.JSONEq(t, tc.kept, string(kept))
			}

			found, err := Find(t.Context(), "r.example.com")
			require.NoError(t, err)
			assert.Equal(t, tc.login.Secret, found.Secret)
			found, err = Stored(t.Context(), "r.example.com/team")
			require.NoError(t, err)
			assert.Equal(t, tc.login.Secret, found.Secret)
			hosts, err := Hosts()
			require.NoError(t, err)
			assert.Contains(t, hosts, "r.example.com")
			erased, err := Erase(t.Context(), "r.example.com")
			require.NoError(t, err)
			assert.True(t, erased)
			found, err = Find(t.Context(), "r.example.com")
			require.NoError(t, err)
			assert.Empty(t, found)
			erased, err = Erase(t.Context(), "r.example.com")
			require.NoError(t, err)
			assert.False(t, erased)
		})
	}
}

// TestStoredLooksNowhereElse guards that what another tool keeps is not taken for
// what Erase removes.
func TestStoredLooksNowhereElse(t *testing.T) {
	home := withHelpers(t)
	write(t, filepath.Join(home, "auth.json"), `{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}}}`, 0o600)
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(home, "auth.json"))
	found, err := Find(t.Context(), "r.example.com")
	require.NoError(t, err)
	assert.Equal(t, alice, found)
	found, err = Stored(t.Context(), "r.example.com")
	require.NoError(t, err)
	assert.Empty(t, found)
}

// A helper that fails leaves the file as it was: no secret goes there instead.
func TestStoreFails(t *testing.T) {
	for name, content := range map[string]string{
		"helper that is missing": `{"credsStore":"missing-one","auths":{}}`,
		"broken file":            `{"auths":{}`,
		"more than a document":   `{"auths":{}} {}`,
		"auths of another kind":  `{"auths":[]}`,
		"list":                   `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(withHelpers(t), "docker/config.json")
			write(t, path, content, 0o600)
			_, err := Store(t.Context(), "r.example.com", alice)
			require.ErrorContains(t, err, "store the login for r.example.com")
			assert.NotContains(t, err.Error(), alice.Secret)
			_, err = Erase(t.Context(), "r.example.com")
			require.ErrorContains(t, err, "erase the login for r.example.com")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, content, string(after))
		})
	}
}

// Whoever keeps docker's file elsewhere has a link to it.
func TestStoreFollowsLinks(t *testing.T) {
	home := withHelpers(t)
	elsewhere, path := filepath.Join(home, "dotfiles/docker.json"), filepath.Join(home, "docker/config.json")
	write(t, elsewhere, `{"psFormat":"x"}`, 0o600)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.Symlink(elsewhere, path))
	_, err := Store(t.Context(), "r.example.com", alice)
	require.NoError(t, err)
	target, err := os.Readlink(path)
	require.NoError(t, err)
	assert.Equal(t, elsewhere, target)
	content, err := os.ReadFile(elsewhere)
	require.NoError(t, err)
	assert.JSONEq(t, `{"auths":{"r.example.com":{"auth":"YWxpY2U6cGFzczp3b3Jk"}},"psFormat":"x"}`, string(content))
	assert.Contains(t, string(content), "\n\t\"psFormat\": \"x\"\n}\n", "as docker writes it")
}

// What docker stored under an address in former times goes as well.
func TestEraseFindsAddresses(t *testing.T) {
	path := filepath.Join(withHelpers(t), "docker/config.json")
	write(t, path, `{"auths":{"https://r.example.com/v1/":{"auth":"YTpi"},"r.example.com":{"auth":"YTpi"},"o.example.com":{"auth":"YTpi"}}}`, 0o600)
	erased, err := Erase(t.Context(), "r.example.com")
	require.NoError(t, err)
	assert.True(t, erased)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.JSONEq(t, `{"auths":{"o.example.com":{"auth":"YTpi"}}}`, string(content))
}
