package page

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

const (
	service = "registry.example.com"
	// patienceWithPasswords is how many wrong passwords an example takes before it locks out.
	patienceWithPasswords = 3
	gitLabURL             = "https://gitlab.example.com"
)

// example is a site as one of some age has it: teams, images, jobs that log in, and what went wrong.
type example struct {
	site
	// registry is the URL of that with the images.
	registry string
	// gitLab signs for jobs as the trusted issuer gitlab does.
	gitLab *issuer.Issuer
	// keys are its keys, for who has to be given them.
	keys string
}

// newExample starts a site with a registry, and with nothing but users.
func newExample(t *testing.T) example {
	t.Helper()
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	images := newRegistry(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{
	admin off
	persist_config off
	servers {
		trusted_proxies static 127.0.0.1/32
	}
	dockit {
		service %s {
			url %s
		}
		service backup.example.com
		database sqlite {env.DOCKIT_SQL_DSN}
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
		refresh_tokens on
		lockout {
			failures %d
		}
	}
}

http://:%d {
	bind 127.0.0.1
	dockit
}
`, service, images, patienceWithPasswords, p), 0o600))
	e := example{site: newSite(t, dockit.Config{Caddyfile: file, Port: p}), registry: images}
	e.url = strings.Replace(e.URL, "127.0.0.1", "localhost", 1)
	e.gitLab, err = issuer.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.gitLab.Close()) })
	answer, err := http.Get(e.gitLab.URL + "/keys")
	require.NoError(t, err)
	defer answer.Body.Close()
	keys, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	e.keys = string(keys)
	return e
}

// newLivedIn is [newExample] after some time.
func newLivedIn(t *testing.T) example {
	t.Helper()
	e := newExample(t)
	e.run(t, "", "rbac", "apply", "-f", "testdata/state.yaml")
	e.run(t, password, "rbac", "change-password", "user:bob", "--password-stdin")

	deploy := strings.TrimSpace(e.run(t, "", "rbac", "token", "create", "robot:deploy", "--name", "production", "--expires", "90d", "--cidr", "198.51.100.0/24", "-q"))
	e.run(t, "", "rbac", "token", "create", "robot:backup", "--name", "nightly", "--scope", "repository:**:pull")
	e.run(t, "", "rbac", "token", "create", "user:alice", "--name", "laptop", "--scope", "repository:team/app:pull", "--expires", "30d")
	e.run(t, "", "rbac", "token", "create", "user:bob", "--name", "old-laptop", "--expires", "1d")
	assert.Equal(t, http.StatusOK, e.logIn(t, "deploy", deploy, "198.51.100.9", "docker/29.1.3 go/go1.26.0 os/linux arch/amd64"))

	e.trustGitLab(t)
	e.run(t, e.keys, "rbac", "issuer", "add", "github", "--url", "https://token.actions.githubusercontent.com", "--kind", "github", "--jwks", "-")
	e.run(t, e.keys, "rbac", "issuer", "add", "cluster", "--url", "https://kubernetes.default.svc", "--kind", "kubernetes", "--audience", "prod", "--jwks", "-")
	e.run(t, "", "rbac", "binding", "add", "payments-main", "--issuer", "gitlab", "--robot", "robot:payments-ci",
		"--claim", "project_id=20", "--claim", "ref_protected=true", "--claim", "ref=main")
	e.run(t, "", "rbac", "binding", "add", "web-main", "--issuer", "github", "--robot", "robot:web-ci",
		"--claim", "repository_id=74", "--claim", "ref=refs/heads/main", "--claim", "event_name=push", "--scope", "repository:web/shop:push")
	e.run(t, "", "rbac", "binding", "add", "web-release", "--issuer", "github", "--robot", "robot:web-ci",
		"--claim", "repository_id=74", "--claim", "ref=refs/tags/v*", "--claim", "event_name=push")
	e.run(t, "", "rbac", "binding", "disable", "web-release")
	assert.Equal(t, http.StatusOK, e.logIn(t, "payments-ci", e.job(t, nil), "203.0.113.40", "docker/29.1.3 go/go1.26.0 os/linux arch/arm64"))
	assert.Equal(t, http.StatusUnauthorized, e.logIn(t, "payments-ci", e.job(t, map[string]any{"ref": "fix-rounding", "ref_path": "refs/heads/fix-rounding", "ref_protected": "false"}),
		"203.0.113.41", "docker/29.1.3 go/go1.26.0 os/linux arch/arm64"))
	assert.Equal(t, http.StatusUnauthorized, e.logIn(t, "payments-ci", e.job(t, map[string]any{"project_id": "31", "project_path": "group/fork"}), "203.0.113.40", "containerd/v2.2.0"))

	e.lockOut(t, "bob", "203.0.113.77")
	assert.Equal(t, http.StatusUnauthorized, e.logIn(t, "carol", "autumn-2026", "192.0.2.15", "docker/29.1.3"))
	return e
}

// trustGitLab has an issuer gitlab trusted, whose tokens [example.job] makes.
func (e example) trustGitLab(t *testing.T) {
	t.Helper()
	e.run(t, e.keys, "rbac", "issuer", "add", "gitlab", "--url", gitLabURL, "--kind", "gitlab", "--jwks", "-")
}

// job is the token of a job of the issuer gitlab, with other claims than those of main.
func (e example) job(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": gitLabURL}
	maps.Copy(all, claims)
	token, err := e.gitLab.Sign(issuer.Token{Audience: service, Claims: all})
	require.NoError(t, err)
	return token
}

// lockOut gives wrong passwords for a user from an address until it is locked out.
func (e example) lockOut(t *testing.T, user, address string) {
	t.Helper()
	for range patienceWithPasswords {
		assert.Equal(t, http.StatusUnauthorized, e.logIn(t, user, rand.Text(), address, "python-requests/2.32"))
	}
}

// logIn is the request that docker login sends, and the status of the answer.
func (e example) logIn(t *testing.T, user, secret, address, client string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/v2/token?"+url.Values{"service": {service}, "account": {user}, "offline_token": {"true"}}.Encode(), nil)
	require.NoError(t, err)
	r.SetBasicAuth(user, secret)
	r.Header.Set("User-Agent", client)
	r.Header.Set("X-Forwarded-For", address)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}
