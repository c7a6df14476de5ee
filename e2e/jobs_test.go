package e2e

import (
	"context"
	"encoding/json"
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
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// jobs is an issuer that Dockit trusts.
type jobs struct {
	*issuer.Issuer
	stack *stack
	name  string
}

// trustJobs has Dockit trust an issuer of a new name until the test ends.
func (s *stack) trustJobs(t *testing.T) *jobs {
	t.Helper()
	i, err := issuer.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, i.Close()) })
	j := &jobs{Issuer: i, stack: s, name: s.unique("gitlab")}
	s.rbac(t, "issuer", "add", j.name, "--url", i.URL, "--kind", "gitlab")
	return j
}

// token is what the issuer signs for a job on the main branch of a project.
func (j *jobs) token(t *testing.T, project string) string {
	t.Helper()
	token, err := j.Sign(issuer.Token{Audience: service, Claims: map[string]any{"project_id": project}})
	require.NoError(t, err)
	return token
}

// bind has the jobs of a new project stand for a new robot, and returns the project, which is the binding's name as well, and the
// robot.
func (j *jobs) bind(t *testing.T) (project, robot string) {
	t.Helper()
	project, robot = j.stack.unique("7"), j.stack.unique("ci")
	j.stack.rbac(t, "add", "robot:"+robot)
	j.stack.rbac(t, "binding", "add", "project"+project, "--issuer", j.name, "--robot", "robot:"+robot,
		"--claim", "project_id="+project, "--claim", "ref_protected=true")
	return project, robot
}

// TestJobs logs in with every client and the token that an issuer signed for a job, without a password anywhere, pushes and
// pulls, and shows that it ends with the binding.
func TestJobs(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3)
	j := s.trustJobs(t)
	for client, prepare := range map[string]func(*testing.T) func(*testing.T) *program{
		"docker": func(t *testing.T) func(*testing.T) *program { return startEngine(t).docker },
		"skopeo": needsNothing(skopeoProgram), "crane": needsNothing(craneProgram), "oras": needsNothing(orasProgram), "helm": needsNothing(helmProgram),
	} {
		t.Run(client, func(t *testing.T) {
			start := prepare(t)
			t.Run("as the robot", func(t *testing.T) {
				project, robot := j.bind(t)
				testJob(t, j, start(t), project, robot, robot)
			})
			t.Run("as whoever the token stands for", func(t *testing.T) {
				project, robot := j.bind(t)
				testJob(t, j, start(t), project, robot, "_")
			})
			t.Run("by dockit login", func(t *testing.T) { testDockitLogin(t, j, start(t)) })
		})
	}
	t.Run("POST", func(t *testing.T) { testJobByPost(t, j) })
}

func testJob(t *testing.T, j *jobs, p *program, project, robot, username string) {
	image := j.stack.repository(t, "robot:"+robot)
	token, host := j.token(t, project), j.stack.registry.Host
	require.NoError(t, p.login(host, username, token))
	require.NoError(t, p.push(image))
	require.NoError(t, p.pull(image))
	require.Error(t, p.push(host+"/"+j.stack.unique("other")+"/app:latest"))

	j.stack.rbac(t, "binding", "disable", "project"+project)
	require.Error(t, p.pull(image))
	if !p.trusting {
		require.Error(t, p.login(host, username, token))
	}
	j.stack.rbac(t, "binding", "enable", "project"+project)
	require.NoError(t, p.login(host, username, token))
	require.NoError(t, p.pull(image))
	foreign := j.token(t, "another project")
	if p.trusting {
		require.NoError(t, p.login(host, username, foreign))
		require.Error(t, p.pull(image))
		return
	}
	require.Error(t, p.login(host, username, foreign))
}

// dockitLogin runs `dockit login` as a job does, and returns docker's file with what it stored.
func (j *jobs) dockitLogin(t *testing.T, project string) (home, config string) {
	t.Helper()
	home = t.TempDir()
	require.NoError(t, j.dockit(t.Context(), home, j.token(t, project), "login", j.stack.registry.Host, "--audience", service))
	return home, filepath.Join(home, "docker", "config.json")
}

// dockit runs a command in a job that was given a token.
func (j *jobs) dockit(ctx context.Context, home, token string, args ...string) error {
	cli := dockit.CLI{Path: j.stack.dockit.Config().Binary, Env: append(dockit.Environment(home), "DOCKIT_ID_TOKEN="+token)}
	_, err := cli.Run(ctx, args...)
	return err
}

func testDockitLogin(t *testing.T, j *jobs, p *program) {
	project, robot := j.bind(t)
	image := j.stack.repository(t, "robot:"+robot)
	home, config := j.dockitLogin(t, project)
	stored, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(p.config), 0o700))
	require.NoError(t, os.WriteFile(p.config, stored, 0o600))
	require.NoError(t, p.push(image))
	require.NoError(t, p.pull(image))
	require.Contains(t, j.stack.rbac(t, "token", "list", "robot:"+robot), j.name+"/project"+project)

	require.NoError(t, j.dockit(t.Context(), home, "", "logout", j.stack.registry.Host))
	p.requireRefused(t, p.pull(image))
}

// testJobByPost asks as buildx and containerd do, with the token as the password, and by what they get for it.
func testJobByPost(t *testing.T, j *jobs) {
	project, robot := j.bind(t)
	image := j.stack.repository(t, "robot:"+robot)
	repository, _, _ := strings.Cut(strings.TrimPrefix(image, j.stack.registry.Host+"/"), ":")
	for _, username := range []string{robot, "_"} {
		form := url.Values{
			"grant_type": {"password"}, "username": {username}, "password": {j.token(t, project)}, "client_id": {"buildkit-client"},
			"access_type": {"offline"}, "service": {service}, "scope": {"repository:" + repository + ":pull,push"},
		}
		first := j.post(t, form, http.StatusOK)
		require.NotEmpty(t, first.RefreshToken)
		again := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "client_id": {"buildkit-client"},
			"service": {service}, "scope": form["scope"],
		}
		for _, token := range []string{first.AccessToken, j.post(t, again, http.StatusOK).AccessToken} {
			// Nothing is there yet, which only who may pull is told.
			require.Equal(t, http.StatusNotFound, statusWithToken(t, j.stack.registry.Host, "/v2/"+repository+"/tags/list", token))
		}
		form.Set("password", j.token(t, "another project"))
		require.Equal(t, "invalid_grant", j.post(t, form, http.StatusUnauthorized).Error)
	}
}

type postAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

// post posts a form to the token endpoint, which must answer with a status.
func (j *jobs) post(t *testing.T, form url.Values, status int) (answer postAnswer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, j.stack.dockit.URL+"/v2/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(t, status, resp.StatusCode, "%+v", answer.Error)
	return answer
}
