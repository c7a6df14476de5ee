package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// program is a client that people use, with a home folder of its own.
type program struct {
	// config is where it keeps its logins.
	config     string
	login      func(host, username, password string) error
	push, pull func(ref string) error
	// refusal is what it says of a wrong password, if not what Dockit says.
	refusal string
	// trusting is a program that stores what it is given without a try.
	trusting bool
}

// requireRefused checks that the program failed because its credentials were refused, and said so.
func (p *program) requireRefused(t *testing.T, err error) {
	t.Helper()
	refusal := p.refusal
	if refusal == "" {
		refusal = "invalid username or password, or the user is disabled"
	}
	require.ErrorContains(t, err, refusal)
}

// requireLoginRefused checks the same of a login.
func (p *program) requireLoginRefused(t *testing.T, host, username, password string) {
	t.Helper()
	err := p.login(host, username, password)
	if p.trusting {
		require.NoError(t, err)
		return
	}
	p.requireRefused(t, err)
}

// identityToken is the refresh token that the program keeps for a registry, if any.
func (p *program) identityToken(t *testing.T, host string) string {
	t.Helper()
	content, err := os.ReadFile(p.config)
	require.NoError(t, err)
	var config struct {
		Auths map[string]struct {
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	require.NoError(t, json.Unmarshal(content, &config))
	require.Contains(t, config.Auths, host)
	return config.Auths[host].IdentityToken
}

func craneProgram(t *testing.T) *program {
	home, path := t.TempDir(), built(t, buildCrane)
	image := imageFile(t)
	run := func(stdin string, args ...string) error { return runProgram(t.Context(), home, stdin, path, args...) }
	return &program{
		config:   filepath.Join(home, "docker", "config.json"),
		trusting: true,
		login: func(host, username, password string) error {
			return run(password, "auth", "login", host, "--username", username, "--password-stdin")
		},
		push: func(ref string) error { return run("", "push", image, ref) },
		pull: func(ref string) error { return run("", "pull", ref, filepath.Join(home, "pulled.tar")) },
	}
}

func skopeoProgram(t *testing.T) *program {
	home, path := t.TempDir(), debianProgram(t, "skopeo")
	image := imageFile(t)
	policy := filepath.Join(home, "policy.json")
	require.NoError(t, os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600))
	authfile := filepath.Join(home, "auth.json")
	run := func(stdin string, args ...string) error {
		return runProgram(t.Context(), home, stdin, path, append([]string{"--policy", policy, "--tmpdir", home}, args...)...)
	}
	return &program{
		config:  authfile,
		refusal: "invalid username/password",
		login: func(host, username, password string) error {
			return run(password, "login", host, "--authfile", authfile, "--tls-verify=false", "--username", username, "--password-stdin")
		},
		push: func(ref string) error {
			return run("", "copy", "--authfile", authfile, "--dest-tls-verify=false", "docker-archive:"+image, "docker://"+ref)
		},
		pull: func(ref string) error {
			return run("", "copy", "--authfile", authfile, "--src-tls-verify=false", "docker://"+ref, "dir:"+filepath.Join(home, "pulled"))
		},
	}
}

func orasProgram(t *testing.T) *program {
	home, path := t.TempDir(), built(t, buildOras)
	file := writeFile(t, "artifact.txt", t.Name())
	registryConfig := filepath.Join(home, "oras.json")
	run := func(stdin string, args ...string) error {
		return runProgram(t.Context(), home, stdin, path, append(args, "--registry-config", registryConfig, "--plain-http")...)
	}
	return &program{
		config: registryConfig,
		login: func(host, username, password string) error {
			return run(password, "login", host, "--username", username, "--password-stdin")
		},
		push: func(ref string) error { return run("", "push", ref, file, "--disable-path-validation") },
		pull: func(ref string) error {
			return run("", "pull", ref, "--output", filepath.Join(home, "pulled"), "--allow-path-traversal")
		},
	}
}

func helmProgram(t *testing.T) *program {
	home, path := t.TempDir(), built(t, buildHelm)
	run := func(args ...string) error { return runProgram(t.Context(), home, "", path, args...) }
	// A chart is pushed as its own name and version.
	chart := func(ref string) string { return strings.TrimSuffix(ref, ":latest") + ":1.0.0" }
	return &program{
		config: filepath.Join(home, "config", "helm", "registry", "config.json"),
		login:  func(host, username, password string) error { return run("login", host, username, password) },
		push:   func(ref string) error { return run("push", chart(ref)) },
		pull:   func(ref string) error { return run("pull", chart(ref)) },
	}
}

// imageFile is a new image as docker save writes it.
func imageFile(t *testing.T) string {
	t.Helper()
	tag, err := name.NewTag("localhost/image:latest")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, tarball.WriteToFile(file, tag, newImage(t)))
	return file
}

// accessToken makes an access token by `dockit rbac token create` and returns its id and the token.
func (s *stack) accessToken(t *testing.T, ref, name string, args ...string) (id, token string) {
	t.Helper()
	var made struct{ ID, Token string }
	out := s.rbac(t, append([]string{"token", "create", ref, "--name", name, "-o", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &made), out)
	return made.ID, made.Token
}

// TestClients logs in, pushes and pulls with every client and every credential, and shows what each of them says once
// the credential is no longer good.
func TestClients(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3)
	for client, prepare := range map[string]func(*testing.T) func(*testing.T) *program{
		// Without an engine the others are tested all the same.
		"docker": func(t *testing.T) func(*testing.T) *program { return startEngine(t).docker },
		"skopeo": needsNothing(skopeoProgram), "crane": needsNothing(craneProgram), "oras": needsNothing(orasProgram), "helm": needsNothing(helmProgram),
	} {
		t.Run(client, func(t *testing.T) {
			start := prepare(t)
			t.Run("password", func(t *testing.T) { testClientPassword(t, s, start(t)) })
			t.Run("access token of a user", func(t *testing.T) {
				alice := s.addUser(t, "alice")
				testClientToken(t, s, start(t), alice.ref(), alice.username)
			})
			t.Run("access token of a robot", func(t *testing.T) {
				ci := s.unique("ci")
				s.rbac(t, "add", "robot:"+ci)
				testClientToken(t, s, start(t), "robot:"+ci, ci)
			})
		})
	}
}

// needsNothing is a client that nothing has to be started for.
func needsNothing(start func(*testing.T) *program) func(*testing.T) func(*testing.T) *program {
	return func(*testing.T) func(*testing.T) *program { return start }
}

// repository gives a subject the right to push to a new repository, and returns a reference to an image in it.
func (s *stack) repository(t *testing.T, ref string) string {
	t.Helper()
	repository := s.unique("team") + "/app"
	s.grant(t, ref, "repository:"+repository+":push")
	return s.registry.Host + "/" + repository + ":latest"
}

func testClientPassword(t *testing.T, s *stack, p *program) {
	alice := s.addUser(t, "alice")
	image := s.repository(t, alice.ref())
	p.requireLoginRefused(t, s.registry.Host, alice.username, "a wrong password")
	require.Error(t, p.push(image))
	require.NoError(t, p.login(s.registry.Host, alice.username, alice.password))
	require.NoError(t, p.push(image))
	require.NoError(t, p.pull(image))
	require.Error(t, p.push(s.registry.Host+"/"+s.unique("other")+"/app:latest"))

	s.rbac(t, "disable", alice.ref())
	p.requireRefused(t, p.pull(image))
	p.requireLoginRefused(t, s.registry.Host, alice.username, alice.password)
}

func testClientToken(t *testing.T, s *stack, p *program, ref, username string) {
	image := s.repository(t, ref)
	id, token := s.accessToken(t, ref, "laptop")
	require.NoError(t, p.login(s.registry.Host, username, token))
	require.NoError(t, p.push(image))
	require.NoError(t, p.pull(image))

	s.rbac(t, "token", "revoke", id)
	p.requireRefused(t, p.pull(image))
	p.requireLoginRefused(t, s.registry.Host, username, token)
}

// TestDockerIdentityToken logs in with docker where an operator turned refresh tokens on.
func TestDockerIdentityToken(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3, "--refresh-tokens")
	docker := startEngine(t).docker(t)
	alice := s.addUser(t, "alice")
	image := s.repository(t, alice.ref())
	require.NoError(t, docker.login(s.registry.Host, alice.username, alice.password))
	require.NotEmpty(t, docker.identityToken(t, s.registry.Host))
	require.NoError(t, docker.push(image))
	require.NoError(t, docker.pull(image))

	listed := s.rbac(t, "token", "list", alice.ref())
	require.Contains(t, listed, "docker")

	// The others use what docker stored. Each has an image of its own: docker cannot pull what oras pushes.
	others := map[string]*program{"skopeo": skopeoProgram(t), "crane": craneProgram(t), "oras": orasProgram(t), "helm": helmProgram(t)}
	stored, err := os.ReadFile(docker.config)
	require.NoError(t, err)
	images := map[string]string{}
	for name, other := range others {
		images[name] = s.repository(t, alice.ref())
		require.NoError(t, os.MkdirAll(filepath.Dir(other.config), 0o700))
		require.NoError(t, os.WriteFile(other.config, stored, 0o600))
		require.NoError(t, other.push(images[name]), name)
		require.NoError(t, other.pull(images[name]), name)
	}

	// Rights are those at the time of use.
	s.rbac(t, "disable", alice.ref())
	require.ErrorContains(t, docker.pull(image), "refresh token")
	s.rbac(t, "enable", alice.ref())
	s.rbac(t, "token", "revoke", alice.ref(), "--all")
	require.ErrorContains(t, docker.pull(image), "refresh token")
	for name, other := range others {
		says := "the refresh token is not valid any more: log in again"
		if name == "skopeo" {
			says = "invalid status code from registry 400" // it shows no body
		}
		require.ErrorContains(t, other.pull(images[name]), says, name)
	}
	require.NoError(t, docker.login(s.registry.Host, alice.username, alice.password))
	require.NoError(t, docker.pull(image))
}

// TestDockerWithoutIdentityToken shows that docker login keeps the password where refresh tokens are off.
func TestDockerWithoutIdentityToken(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3)
	docker := startEngine(t).docker(t)
	alice := s.addUser(t, "alice")
	require.NoError(t, docker.login(s.registry.Host, alice.username, alice.password))
	require.Empty(t, docker.identityToken(t, s.registry.Host))
}
