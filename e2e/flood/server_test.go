package flood

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

const (
	service   = "registry.test"
	tokenPath = "/v2/token?service=" + service
	// A person logs in with a password that is not remembered every personEvery.
	personLines = 2
	personEvery = 500 * time.Millisecond
	robotLines  = 2
	robotEvery  = 100 * time.Millisecond
)

// server is a Dockit that is flooded.
type server struct {
	*dockit.Server
	// address and base name it by its IPv4 address, metrics is where it tells of itself.
	address, base, metrics string
	// roots is who vouches for it, nil without HTTPS.
	roots *x509.CertPool
	// group bounds its memory, nil without a bound.
	group *memoryGroup

	people, robots *others
	// sent is how many requests a flood had.
	sent        int64
	quiet, peak usage
}

var built struct {
	sync.Once
	path string
	err  error
}

// binary builds Dockit once.
func binary(t *testing.T) string {
	t.Helper()
	built.Do(func() { built.path, built.err = build.Dockit(context.Background(), binFolder) })
	require.NoError(t, built.err)
	return built.path
}

// binFolder holds what a test run builds.
var binFolder string

func TestMain(m *testing.M) {
	var err error
	if binFolder, err = os.MkdirTemp("", "dockit-flood-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binFolder)
	os.Exit(code)
}

// startServer runs a Dockit until the test ends, with people and a robot that log in for so long, in so much memory if
// that is not zero.
func startServer(t *testing.T, https bool, lasts time.Duration, memory int64) *server {
	t.Helper()
	metricsPort, err := port.Free(t.Context())
	require.NoError(t, err)
	c := dockit.Config{
		Binary: binary(t), Dir: t.TempDir(), RootUser: "admin", RootPassword: rand.Text(), HTTPS: https,
		Args: []string{"--service", service, "--metrics-listen", port.Localhost(metricsPort), "--log-level", "warn"},
	}
	s := &server{metrics: "http://" + port.Localhost(metricsPort) + "/metrics"}
	if memory != 0 {
		s.group = newMemoryGroup(t, memory)
		c.Binary = s.group.within(t, c.Binary)
	}
	s.Server, err = dockit.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Stop(), "it printed:\n%s", s.Excerpt())
	})
	s.address = net.JoinHostPort("127.0.0.1", fmt.Sprint(s.Config().Port))
	s.base = strings.Replace(s.URL, s.Host, s.address, 1)
	if https {
		authority, err := os.ReadFile(s.RootCA())
		require.NoError(t, err)
		s.roots = x509.NewCertPool()
		require.True(t, s.roots.AppendCertsFromPEM(authority))
	}
	s.quiet = s.usage(t)
	s.addOthers(t, lasts)
	return s
}

// addOthers makes so many users that none has to log in twice, for a password that was right is remembered.
func (s *server) addOthers(t *testing.T, lasts time.Duration) {
	t.Helper()
	var (
		people = make([]string, personLines*(int(lasts/personEvery)+2))
		from   somewhere
		next   atomic.Int64
	)
	password := rand.Text()
	for i := range people {
		people[i] = fmt.Sprint("person", i)
		s.post(t, "users", map[string]string{"name": people[i], "password": password}, nil)
	}
	s.people = &others{lines: personLines, every: personEvery, once: func(ctx context.Context) error {
		return s.ask(ctx, from.address(), people[int(next.Add(1)-1)%len(people)], password)
	}}
	var issued struct{ Token string }
	s.post(t, "robots", map[string]string{"name": "ci"}, nil)
	s.post(t, "robots/ci/access-tokens", map[string]string{"name": "flood"}, &issued)
	s.robots = &others{lines: robotLines, every: robotEvery, once: func(ctx context.Context) error {
		return s.ask(ctx, from.address(), "ci", issued.Token)
	}}
}

// post makes a request of the admin API that must succeed.
func (s *server) post(t *testing.T, path string, body, into any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/dockit/api/v1/"+path, bytes.NewReader(encoded))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	c := s.Config()
	req.SetBasicAuth(c.RootUser, c.RootPassword)
	req.Host = s.Host
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Less(t, resp.StatusCode, 300, path)
	if into != nil {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
	}
}

// within is a program that runs another one in the group.
func (g *memoryGroup) within(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "within")
	script := fmt.Sprintf("#!/bin/sh\necho $$ >'%s' && exec '%s' \"$@\"\n", filepath.Join(g.folder, "cgroup.procs"), program)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}
