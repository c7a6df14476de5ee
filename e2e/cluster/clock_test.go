package cluster

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
)

// shortClocks is how long a clock jumps when nobody asks for longer.
const shortClocks = 6 * time.Second

// TestClocks has two Dockits on one MariaDB. The clock of the second one jumps forth and back while tokens are asked for
// and changes are made: all that others may notice is what it says of itself.
//
// DOCKIT_TEST_CLOCKS is how long, such as 5m.
func TestClocks(t *testing.T) {
	length := shortClocks
	if s := os.Getenv("DOCKIT_TEST_CLOCKS"); s != "" {
		var err error
		length, err = time.ParseDuration(s)
		require.NoErrorf(t, err, "DOCKIT_TEST_CLOCKS=%q: write a duration, such as 5m", s)
	}
	c := startClocks(t)
	locked := c.lockOut(t)
	tokens := c.startLoad(t, append(c.addPullers(t), c.expiring(t)))
	changes := c.startChanges(t)

	jumps := []time.Duration{time.Hour, -time.Hour}
	for began := time.Now(); len(jumps) > 0 || time.Since(began) < length; {
		ahead := time.Duration(mathrand.Int64N(int64(96*time.Hour))) - 48*time.Hour
		if len(jumps) > 0 {
			ahead, jumps = jumps[0], jumps[1:]
		}
		c.set(t, ahead)
		c.round(t, locked, ahead)
		if mathrand.IntN(3) == 0 {
			c.set(t, 0)
		}
	}
	c.set(t, 0)
	c.requireReady(t)
	eventually(t, soon, func(ctx context.Context) bool { return c.skew(ctx, t, c.dockits[1]) == 0 }, "the clock is right again")
	changes.end()
	tokens.end()
	t.Logf("%d jumps; the longest until a change counted: %s", c.jumps, c.longest)
	tokens.requireAllIssued(t, c.stack, "while a clock jumps")
	changes.tell(t, c.stack, "while a clock jumps")
	for _, m := range c.dockits {
		changes.requireNothingLost(t, m)
		out, err := m.Admin().Run(t.Context(), "rbac", "audit", "verify")
		require.NoError(t, err)
		t.Logf("%s: %s", m, out)
		assert.Equal(t, c.trust.PEM, certificates(t, m))
	}
	_, first := c.dockits[0].admin.state(t)
	_, second := c.dockits[1].admin.state(t)
	assert.Equal(t, first, second)
}

// clocks is two Dockits, of which the second one has a clock that is set.
type clocks struct {
	*stack
	file    string
	db      *sql.DB
	jumps   int
	longest time.Duration
}

func startClocks(t *testing.T) *clocks {
	t.Helper()
	server := startMariaDB(t)
	folder := t.TempDir()
	binary, err := build.TestClock(t.Context(), folder)
	require.NoError(t, err)
	c := &clocks{stack: &stack{password: rand.Text()}, file: filepath.Join(folder, "clock")}
	for i := range 2 {
		config := dockit.Config{
			Binary: binary, Dir: filepath.Join(folder, fmt.Sprintf("node%d", i+1)), MySQL: mariadb.DSN(server.Address, timeouts),
			RootUser: root, RootPassword: c.password, Args: []string{"--service", service, "--refresh-tokens"},
		}
		require.NoError(t, os.Mkdir(config.Dir, 0o700))
		if i == 1 {
			c.write(t, time.Hour) // from the start
			config.Env = []string{"DOCKIT_TEST_CLOCK=" + c.file}
		}
		s, err := dockit.Start(t.Context(), config)
		require.NoError(t, err)
		m := &member{Server: s, admin: caller{call.Caller{Base: s.URL, Username: root, Password: c.password}}}
		m.stopAfter(t)
		c.dockits = append(c.dockits, m)
	}
	c.db, err = sql.Open("mysql", mariadb.DSN(server.Address, ""))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.db.Close() })
	c.trust = readTrust(t, c.dockits[0])
	return c
}

// write says by how much the clock is ahead, all at once.
func (c *clocks) write(t *testing.T, ahead time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.file+".new", []byte(ahead.String()), 0o600))
	require.NoError(t, os.Rename(c.file+".new", c.file))
}

func (c *clocks) set(t *testing.T, ahead time.Duration) {
	t.Helper()
	c.jumps++
	c.write(t, ahead)
}

// lockOut has somebody locked out at the first Dockit.
func (c *clocks) lockOut(t *testing.T) puller {
	t.Helper()
	p := puller{"victim", rand.Text()}
	admin := c.dockits[0].admin
	admin.require(t, http.MethodPost, "/users", map[string]any{"name": p.username, "password": p.password}, nil)
	admin.require(t, http.MethodPost, "/users/"+p.username+"/permissions", pullOf(pulled), nil)
	require.True(t, c.dockits[0].mayPull(t.Context(), t, c.trust, p, pulled))
	c.fail(t, c.dockits[0], p.username)
	for range 9 { // which takes a guesser longer than this test
		_, err := c.db.ExecContext(t.Context(), "INSERT INTO login_failures (name, network, at) SELECT name, network, at FROM login_failures WHERE name = ? LIMIT 1", p.username)
		require.NoError(t, err)
	}
	return p
}

// fail makes a Dockit record a wrong password.
func (c *clocks) fail(t *testing.T, m *member, name string) {
	t.Helper()
	a, err := call.Caller{Base: m.URL, Username: name, Password: rand.Text()}.Send(t.Context(), http.MethodGet, "/v2/token?service="+service, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.Status, "%s", a)
}

// expiring is a robot whose access token ends in half an hour.
func (c *clocks) expiring(t *testing.T) puller {
	t.Helper()
	p := puller{username: "expiring"}
	admin := c.dockits[0].admin
	admin.addRobot(t, p.username)
	var issued struct {
		Token string `json:"token"`
	}
	admin.require(t, http.MethodPost, "/robots/"+p.username+"/access-tokens",
		map[string]any{"name": "expiring", "expires_at": time.Now().Add(30 * time.Minute).UTC()}, &issued)
	p.password = issued.Token
	return p
}

// round looks at everything once, after a jump.
func (c *clocks) round(t *testing.T, locked puller, ahead time.Duration) {
	t.Helper()
	wrong := c.dockits[1]
	eventually(t, soon, func(ctx context.Context) bool {
		return (c.skew(ctx, t, wrong)+ahead.Seconds()) < 5 && (c.skew(ctx, t, wrong)+ahead.Seconds()) > -5
	}, "%s says that its clock is ahead by %s", wrong, ahead)
	robot := fmt.Sprintf("jump%d", c.jumps)
	c.dockits[0].admin.addRobot(t, robot)
	p := puller{robot, c.dockits[c.jumps%2].admin.accessToken(t, robot)}
	for i := range c.dockits {
		here := c.dockits[(i+c.jumps)%2]
		here.admin.grant(t, robot, guarded)
		c.requireCounts(t, p, true)
		here.admin.require(t, http.MethodDelete, "/robots/"+robot+"/permissions?permission=repository:"+guarded+":pull", nil, nil)
		c.requireCounts(t, p, false)
	}

	c.fail(t, wrong, "nobody"+robot) // which is when old ones are forgotten
	var failures int
	require.NoError(t, c.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_failures WHERE name = ?", locked.username).Scan(&failures))
	require.Equal(t, 10, failures, "a clock that is ahead by %s undoes a lockout", ahead)
	for _, m := range c.dockits {
		_, err := m.pull(t.Context(), c.trust, locked, pulled)
		require.Error(t, err, "somebody who is locked out gets a token at %s", m)
	}
}

// requireCounts waits until a right that was given or taken away is so at both.
func (c *clocks) requireCounts(t *testing.T, p puller, may bool) {
	t.Helper()
	began := time.Now()
	for _, m := range c.dockits {
		eventually(t, soon, func(ctx context.Context) bool { return m.mayPull(ctx, t, c.trust, p, guarded) == may }, "%s may pull at %s: %v", p.username, m, may)
	}
	c.longest = max(c.longest, time.Since(began))
}

// skew is what a Dockit says of its clock, which is ready all the same.
func (c *clocks) skew(ctx context.Context, t *testing.T, m *member) float64 {
	t.Helper()
	a, err := call.Caller{Base: m.URL}.Send(ctx, http.MethodGet, "/readyz", nil)
	require.NoError(t, err)
	var said struct {
		Status string  `json:"status"`
		Skew   float64 `json:"clock_skew_seconds"`
	}
	require.NoError(t, json.Unmarshal(a.Body, &said))
	require.Equal(t, "ready", said.Status, "%s", a)
	return said.Skew
}
