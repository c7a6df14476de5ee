package flood

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cores"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

const (
	// manyPullers are connections that ask for tokens one after the other, of manyRobots robots.
	manyPullers = 1000
	manyRobots  = 20
	// stormers are connections, each from somewhere else, that try a password after the other.
	stormers = 64
	// maxManyResident is how much memory the server has at most without the storm, and maxStormResident beside it.
	maxManyResident  = 120 << 20
	maxStormResident = 170 << 20
	// maxBesideStorm is how many times as long robots wait at most beside the storm, for the slowest of a hundred tokens.
	maxBesideStorm = 2.0
	// answersWithin is how long anybody waits at most.
	answersWithin = 30 * time.Second
)

// TestManyPullBesideAStorm guards that a thousand connections on one core each get their tokens beside a storm of wrong passwords
// and while the configuration is loaded anew, in little memory, and about as fast as without.
func TestManyPullBesideAStorm(t *testing.T) {
	length, full := lasting(t)
	s := startOnOneCore(t)
	robots := make([][]byte, manyRobots)
	for i := range robots {
		var issued struct{ Token string }
		name := fmt.Sprint("robot", i)
		s.post(t, "robots", map[string]string{"name": name}, nil)
		s.post(t, "robots/"+name+"/permissions", map[string]string{"permission": "repository:team/app:pull"}, nil)
		s.post(t, "robots/"+name+"/access-tokens", map[string]string{"name": "many"}, &issued)
		robots[i] = s.request(name, issued.Token)
	}

	s.resetPeak(t)
	quiet := s.pull(t, robots, length)
	quietResident := s.peakResident(t)
	s.resetPeak(t)
	storm := storm{server: s}
	stormy, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	beside.Go(func() { storm.rage(stormy) })
	beside.Go(func() {
		select {
		case <-time.After(length / 3):
			assert.NoError(t, syscall.Kill(s.PID(), syscall.SIGUSR1), "load the configuration anew") //nolint:testifylint // not the goroutine of the test
		case <-stormy.Done():
		}
	})
	loud := s.pull(t, robots, length)
	stop()
	beside.Wait()

	resident := s.peakResident(t)
	t.Logf("%d connections on one core for %s: %s, %d MB at most; beside %d passwords (%d checked, %d sent away) and a reload: %s; %d MB at most",
		manyPullers, length, quiet, quietResident>>20, storm.checked.Load()+storm.sentAway.Load(), storm.checked.Load(), storm.sentAway.Load(), loud, resident>>20)
	for name, phase := range map[string]*pulls{"quiet": quiet, "storm": loud} {
		assert.Zero(t, phase.failed, "%s: the first was: %v", name, phase.failure)
		assert.NotEmpty(t, phase.took, name)
	}
	assert.NotZero(t, storm.checked.Load(), "there was no storm")
	assert.Less(t, quietResident, int64(maxManyResident), "memory in bytes")
	assert.Less(t, resident, int64(maxStormResident), "memory in bytes beside the storm")
	if full {
		assert.NotZero(t, loud.again, "the configuration was not loaded anew")
		assert.Less(t, quantile(loud.took, 99).Seconds(), maxBesideStorm*quantile(quiet.took, 99).Seconds(), "p99 beside the storm, in seconds")
	}
}

// startOnOneCore runs a Dockit with one core, which loads its configuration anew on SIGUSR1. The load has other cores, where there
// are any.
func startOnOneCore(t *testing.T) *server {
	t.Helper()
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	caddyfile := fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		level WARN
	}
	dockit {
		service %s
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}
http://:%d {
	bind 127.0.0.1
	dockit
}
`, service, p)
	file := filepath.Join(dir, "Caddyfile")
	require.NoError(t, os.WriteFile(file, []byte(caddyfile), 0o600))
	where, err := cores.Two()
	require.NoError(t, err)
	s := new(server)
	program := binary(t)
	require.NoError(t, cores.On(where.Server, func() (err error) {
		s.Server, err = dockit.Start(t.Context(), dockit.Config{
			Binary: program, Port: p, Dir: dir, Caddyfile: file, RootUser: "admin", RootPassword: rand.Text(),
		})
		return err
	}))
	t.Cleanup(func() {
		assert.NoError(t, s.Stop(), "it printed:\n%s", s.Excerpt())
	})
	s.address = net.JoinHostPort("127.0.0.1", fmt.Sprint(p))
	s.base = "http://" + s.address
	return s
}

// request is one for a token, as it goes over a connection.
func (s *server) request(username, password string) []byte {
	credentials := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return fmt.Appendf(nil, "GET %s&scope=repository:team/app:pull HTTP/1.1\r\nHost: %s\r\nUser-Agent: docker/29.0.0\r\nAuthorization: Basic %s\r\n\r\n",
		tokenPath, s.Host, credentials)
}

// pulls are what many connections got.
type pulls struct {
	mu   sync.Mutex
	took []time.Duration
	// again is how often a connection had been closed between two requests, so that the second one went over another.
	again, failed int
	failure       error
}

func (p *pulls) String() string {
	return fmt.Sprintf("%d tokens, median %v, p99 %v, longest %v, %d asked again, %d failed",
		len(p.took), quantile(p.took, 50), quantile(p.took, 99), quantile(p.took, 100), p.again, p.failed)
}

// pull has all connections ask for so long.
func (s *server) pull(t *testing.T, robots [][]byte, length time.Duration) *pulls {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var (
		p   pulls
		all sync.WaitGroup
	)
	for i := range manyPullers {
		all.Go(func() {
			c := &keptConnection{address: s.address}
			defer c.close()
			var took []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				status, err := c.ask(robots[i%len(robots)])
				took = append(took, time.Since(began))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				if err != nil {
					p.mu.Lock()
					p.failed++
					p.failure = errors.Join(p.failure, err)
					p.mu.Unlock()
					break
				}
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.took = append(p.took, took...)
			p.again += c.again
		})
	}
	all.Wait()
	return &p
}

// storm tries a new name with a wrong password each time.
type storm struct {
	server                  *server
	from                    somewhere
	names                   atomic.Int64
	checked, sentAway, lost atomic.Int64
}

// rage goes on until the context ends.
func (s *storm) rage(ctx context.Context) {
	var all sync.WaitGroup
	for range stormers {
		all.Go(func() {
			c := &keptConnection{address: s.server.address, from: s.from.address()}
			defer c.close()
			for ctx.Err() == nil {
				switch status, err := c.ask(s.server.request(fmt.Sprint("person", s.names.Add(1)), "a wrong password")); {
				case err != nil:
					s.lost.Add(1)
				case status == http.StatusUnauthorized:
					s.checked.Add(1)
				default:
					s.sentAway.Add(1)
				}
			}
		})
	}
	all.Wait()
}

// keptConnection goes on over one connection as long as the server lets it, as the clients of registries do: what
// was asked over one that the server had closed meanwhile is asked again over another.
type keptConnection struct {
	address string
	// from is the address of the client; nil for any.
	from  net.IP
	conn  net.Conn
	read  *bufio.Reader
	again int
}

func (c *keptConnection) ask(request []byte) (status int, err error) {
	kept := c.conn != nil
	status, started, err := c.once(request)
	if err != nil {
		c.close()
		if kept && !started {
			c.again++
			status, _, err = c.once(request)
		}
	}
	return status, err
}

// once asks, and tells whether an answer began.
func (c *keptConnection) once(request []byte) (status int, started bool, err error) {
	if c.conn == nil {
		dialer := net.Dialer{Timeout: answersWithin}
		if c.from != nil {
			dialer.LocalAddr = &net.TCPAddr{IP: c.from}
		}
		if c.conn, err = dialer.Dial("tcp4", c.address); err != nil {
			c.conn = nil
			return 0, false, err
		}
		c.read = bufio.NewReader(c.conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(answersWithin)); err != nil {
		return 0, false, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, false, err
	}
	if _, err := c.read.Peek(1); err != nil {
		return 0, errors.Is(err, os.ErrDeadlineExceeded), err
	}
	answer, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return 0, true, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, true, err
	}
	if answer.Close {
		c.close()
	}
	return answer.StatusCode, true, nil
}

func (c *keptConnection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is lost
		c.conn = nil
	}
}
