package litestream

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSlowExports has clients that hardly read the exports they asked for, while others write. Litestream moves the
// write-ahead log into the database about once a second: nobody may keep it from that.
func TestSlowExports(t *testing.T) {
	t.Parallel()
	m := newMachine(t, false)
	size := m.fill(t)
	received := m.readSlowly(t, 3)
	var changes ledger
	changes.write(t.Context(), m, "", 4)
	before := m.written(t)
	largest := m.watchLog(6 * time.Second)
	written := m.written(t) - before
	changes.end()
	t.Logf("the write-ahead log was %.1f MB at most, of %.1f MB written; %d KB of exports of %.1f MB were read", mb(largest), mb(written), received.Load()>>10, mb(size))
	assert.Less(t, largest, max(64<<20, written/2), "something keeps the log from being moved into the database")
	assert.Less(t, received.Load(), size, "the exports were read too fast")
	noErrors(t, m.litestream.Output())
}

// fill makes so many robots that an export does not fit into what the network keeps, and returns its size in bytes.
func (m *machine) fill(t *testing.T) int64 {
	t.Helper()
	type robot struct {
		Name        string   `json:"name"`
		Permissions []string `json:"permissions"`
	}
	robots := make([]robot, 40_000)
	right := "repository:" + strings.Repeat("a-long-name/", 18) + "end:pull"
	for i := range robots {
		robots[i] = robot{"bulk-" + strconv.Itoa(i), []string{right}}
	}
	a, err := m.admin.Send(t.Context(), http.MethodPut, api+"/state?add=true", map[string]any{"version": "dockit/v1", "robots": robots})
	require.NoError(t, err)
	require.Truef(t, a.OK(), "%s", a)
	a, err = m.admin.Send(t.Context(), http.MethodGet, api+"/state?format=json", nil)
	require.NoError(t, err)
	require.Greater(t, len(a.Body), 8<<20)
	return int64(len(a.Body))
}

// readSlowly asks for exports and hardly reads them. It counts what was read.
func (m *machine) readSlowly(t *testing.T, clients int) *atomic.Int64 {
	t.Helper()
	received := new(atomic.Int64)
	for range clients {
		conn, err := net.Dial("tcp", m.Host)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL+api+"/state?format=json", nil)
		require.NoError(t, err)
		r.SetBasicAuth(root, m.password)
		require.NoError(t, r.Write(conn))
		go func() {
			for {
				n, err := io.CopyN(io.Discard, conn, 100)
				received.Add(n)
				if err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
	}
	return received
}

// watchLog looks at the write-ahead log for some time, and returns how large it was at most, in bytes.
func (m *machine) watchLog(d time.Duration) (largest int64) {
	for began := time.Now(); time.Since(began) < d; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(m.database() + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	return largest
}

// written is how much Dockit has written, in bytes, as Linux tells it.
func (m *machine) written(t *testing.T) int64 {
	t.Helper()
	told, err := os.ReadFile("/proc/" + strconv.Itoa(m.PID()) + "/io")
	require.NoError(t, err)
	for line := range strings.Lines(string(told)) {
		if value, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			require.NoError(t, err)
			return n
		}
	}
	return 0
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// noErrors looks at what Litestream printed.
func noErrors(t *testing.T, output string) {
	t.Helper()
	for line := range strings.Lines(output) {
		assert.NotContains(t, line, "level=ERROR")
	}
}
