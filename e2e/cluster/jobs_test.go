package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
)

// TestJobs has two Dockits on one MariaDB. Jobs log in at one with the token of their issuer, and the login and what it got end
// there within two seconds after somebody ended their binding, their issuer or their robot at the other.
func TestJobs(t *testing.T) {
	s := startPair(t)
	i, err := issuer.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, i.Close()) })
	const robot, issuerName, binding = "ci", "gitlab", "app"
	admin := s.dockits[0].Admin()
	trust := map[string][]string{
		"robot":   {"rbac", "add", "robot:" + robot},
		"issuer":  {"rbac", "issuer", "add", issuerName, "--url", i.URL, "--kind", "gitlab"},
		"binding": {"rbac", "binding", "add", binding, "--issuer", issuerName, "--robot", "robot:" + robot, "--claim", "project_id=20", "--claim", "ref_protected=true"},
	}
	for _, name := range []string{"robot", "issuer", "binding"} {
		run(t, admin, trust[name]...)
	}
	var longest time.Duration
	for _, end := range []struct {
		command []string
		again   [][]string
	}{
		{[]string{"binding", "disable", binding}, [][]string{{"rbac", "binding", "enable", binding}}},
		{[]string{"binding", "remove", binding}, [][]string{trust["binding"]}},
		{[]string{"issuer", "disable", issuerName}, [][]string{{"rbac", "issuer", "enable", issuerName}}},
		{[]string{"issuer", "remove", issuerName}, [][]string{trust["issuer"], trust["binding"]}},
		{[]string{"disable", "robot:" + robot}, [][]string{{"rbac", "enable", "robot:" + robot}}},
		{[]string{"remove", "robot:" + robot}, [][]string{trust["robot"], trust["binding"]}},
	} {
		name := strings.Join(end.command, " ")
		logins := s.jobLogins(t, i, robot)
		run(t, admin, append([]string{"rbac"}, end.command...)...)
		acknowledged := time.Now()
		for _, m := range s.dockits {
			for what, login := range logins {
				eventually(t, soon, func(ctx context.Context) bool { return login(ctx, t, m) != http.StatusOK }, "%s ends the login by %s at %s", name, what, m)
			}
		}
		longest = max(longest, time.Since(acknowledged))
		for _, command := range end.again {
			run(t, admin, command...)
		}
	}
	t.Logf("the longest until nothing of a job was good at both: %s", longest)
}

// startPair starts two Dockits on one MariaDB.
func startPair(t *testing.T) *stack {
	t.Helper()
	server := startMariaDB(t)
	folder := t.TempDir()
	binary, err := build.Dockit(t.Context(), folder)
	require.NoError(t, err)
	s := &stack{password: rand.Text()}
	for i := range 2 {
		config := dockit.Config{
			Binary: binary, Dir: filepath.Join(folder, fmt.Sprintf("node%d", i+1)), MySQL: mariadb.DSN(server.Address, timeouts),
			RootUser: root, RootPassword: s.password, Args: []string{"--service", service},
		}
		require.NoError(t, os.Mkdir(config.Dir, 0o700))
		d, err := dockit.Start(t.Context(), config)
		require.NoError(t, err)
		m := &member{Server: d, admin: caller{call.Caller{Base: d.URL, Username: root, Password: s.password}}}
		m.stopAfter(t)
		s.dockits = append(s.dockits, m)
	}
	return s
}

func run(t *testing.T, cli dockit.CLI, args ...string) {
	t.Helper()
	_, err := cli.Run(t.Context(), args...)
	require.NoError(t, err)
}

// login asks a Dockit for a registry token, and returns the status of its answer.
type login func(ctx context.Context, t *testing.T, m *member) int

// jobLogins are the ways by which a job logs in, all of them good at both Dockits: with its token, with the refresh token of
// docker login, and with the password that it exchanged its token for.
func (s *stack) jobLogins(t *testing.T, i *issuer.Issuer, robot string) map[string]login {
	t.Helper()
	token, err := i.Sign(issuer.Token{Audience: service})
	require.NoError(t, err)
	byPassword := func(password string) login {
		return func(ctx context.Context, t *testing.T, m *member) int {
			a, err := call.Caller{Base: m.URL, Username: robot, Password: password}.Send(ctx, http.MethodGet, "/v2/token?service="+service, nil)
			require.NoError(t, err)
			return a.Status
		}
	}
	logins := map[string]login{"its token": byPassword(token)}
	for _, m := range s.dockits {
		eventually(t, soon, func(ctx context.Context) bool { return logins["its token"](ctx, t, m) == http.StatusOK }, "a job logs in at %s", m)
	}
	second := s.dockits[1]
	a, err := call.Caller{Base: second.URL, Username: robot, Password: token}.Send(t.Context(), http.MethodGet, "/v2/token?offline_token=true&client_id=docker&service="+service, nil)
	require.NoError(t, err)
	var docker, exchanged struct {
		RefreshToken string `json:"refresh_token"`
		AccessToken  string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(a.Body, &docker))
	require.NotEmpty(t, docker.RefreshToken, "%s", a)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {docker.RefreshToken}, "client_id": {"docker"}, "service": {service}}
	logins["a refresh token"] = func(ctx context.Context, t *testing.T, m *member) int { return m.post(ctx, t, refresh, nil) }
	exchange := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token": {token}, "audience": {service},
	}
	require.Equal(t, http.StatusOK, second.post(t.Context(), t, exchange, &exchanged))
	logins["a token exchange"] = byPassword(exchanged.AccessToken)
	for what, login := range logins {
		for _, m := range s.dockits {
			eventually(t, soon, func(ctx context.Context) bool { return login(ctx, t, m) == http.StatusOK }, "a job logs in at %s by %s", m, what)
		}
	}
	return logins
}

// post posts a form to the token endpoint, and returns the status of the answer.
func (m *member) post(ctx context.Context, t *testing.T, form url.Values, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL+"/v2/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	if into != nil {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
	}
	return resp.StatusCode
}
