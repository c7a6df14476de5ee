package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

const service = "registry.test"

// stack is a Dockit and a registry that trusts it.
type stack struct {
	dockit   *dockit.Server
	registry *registry.Registry
	admin    dockit.CLI
	names    *atomic.Int64
}

// startDockit runs Dockit until the test ends.
func startDockit(t *testing.T, c dockit.Config) *dockit.Server {
	t.Helper()
	c.Binary = built(t, buildDockit)
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.RootUser == "" {
		c.RootUser, c.RootPassword = "admin", rand.Text()
	}
	server, err := dockit.Start(t.Context(), c)
	require.NoError(t, err)
	stopAtEnd(t, server.Process)
	return server
}

// startStack runs Dockit and a registry that got what it must trust from `dockit init-container`.
// The arguments are further ones of `dockit api-server`.
func startStack(t *testing.T, kind registry.Kind, args ...string) *stack {
	t.Helper()
	return startStackOf(t, kind, nil, args...)
}

// startStackOf is startStack with variables of the registry, as NAME=value.
func startStackOf(t *testing.T, kind registry.Kind, variables []string, args ...string) *stack {
	t.Helper()
	binary := registryBinary(t, kind)
	at, err := port.Free(t.Context())
	require.NoError(t, err)
	// The page looks at the registry.
	server := startDockit(t, dockit.Config{Args: append([]string{"--service", service, "--registry", service + "=http://" + port.Localhost(at)}, args...)})
	admin := server.Admin()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err = admin.Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	return &stack{
		dockit: server,
		registry: startRegistry(t, registry.Config{
			Binary:         binary,
			Port:           at,
			Extra:          variables,
			Realm:          server.URL + "/v2/token",
			Service:        service,
			RootCertBundle: bundle,
		}),
		admin: admin,
		names: new(atomic.Int64),
	}
}

// startRegistry runs a registry until the test ends.
func startRegistry(t *testing.T, c registry.Config) *registry.Registry {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	r, err := registry.Start(t.Context(), c)
	require.NoError(t, err)
	stopAtEnd(t, r.Process)
	return r
}

// stopAtEnd stops a process when the test ends, and shows what it printed when the test failed.
func stopAtEnd(t *testing.T, p *process.Process) {
	t.Helper()
	t.Cleanup(func() {
		assert.NoError(t, p.Stop())
		if t.Failed() {
			t.Logf("%s printed:\n%s", p, p.Excerpt())
		}
	})
}

// unique makes names that no other test of the stack uses.
func (s *stack) unique(name string) string {
	return fmt.Sprintf("%s%d", name, s.names.Add(1))
}

// rbac runs `dockit rbac` as the admin and returns what it printed.
func (s *stack) rbac(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.admin.Run(t.Context(), append([]string{"rbac"}, args...)...)
	require.NoError(t, err)
	return out
}

// rbacNames runs a listing of `dockit rbac` and returns the names it printed.
func (s *stack) rbacNames(t *testing.T, args ...string) []string {
	t.Helper()
	return slices.Collect(lines(s.rbac(t, append(args, "-o", "name")...)))
}

// addUser creates a user of a new name.
func (s *stack) addUser(t *testing.T, name string) client {
	t.Helper()
	c := client{host: s.registry.Host, username: s.unique(name), password: rand.Text()}
	_, err := s.admin.RunInput(t.Context(), c.password, "rbac", "add", c.ref(), "--password-stdin")
	require.NoError(t, err)
	return c
}

// addGroup creates a group of a new name and returns its reference.
func (s *stack) addGroup(t *testing.T, name string) string {
	t.Helper()
	ref := "group:" + s.unique(name)
	s.rbac(t, "add", ref)
	return ref
}

// grant gives a subject permissions.
func (s *stack) grant(t *testing.T, ref string, permissions ...string) {
	t.Helper()
	for _, p := range permissions {
		s.rbac(t, "grant", ref, p)
	}
}

// anonymous is a client without credentials.
func (s *stack) anonymous() client {
	return client{host: s.registry.Host}
}

// writeFile writes a file into a folder of the test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
