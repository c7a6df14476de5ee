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

// enough is what has to be written to see the write-ahead log grow where nothing moves it into the database, in bytes.
const enough = 128 << 20

// TestSlowExports has clients that hardly read the exports they asked for, while others write. Litestream moves the
// write-ahead log into the database about once a second: nobody may keep it from that.
func TestSlowExports(t *testing.T) {
	t.Parallel()
	m := newMachine(t, false)
	size := m.fill(t)
	received := m.readSlowly(t, 3)
	var changes ledger
	changes.write(t.Context(), m, "", 4)
	before, grown, written := m.log(), int64(0), int64(0)
	began, start := time.Now(), m.written(t)
	for time.Since(began) < 6*time.Second || written < enough {
		require.Less(t, time.Since(began), 2*time.Minute, "%.1f MB were written", mb(written))
		time.Sleep(5 * time.Millisecond)
		grown, written = max(grown, m.log()-before), m.written(t)-start
	}
	changes.end()
	t.Logf("the write-ahead log grew by %.1f MB at most, from %.1f MB, of %.1f MB written; %d KB of exports of %.1f MB were read",
		mb(grown), mb(before), mb(written), received.Load()>>10, mb(size))
	assert.Less(t, grown, written/2, "something keeps the log from being moved into the database")
	assert.Less(t, received.Load(), size, "the exports were read too fast")

	// Nobody was kept from anything for good: everything gets into the replica, and out of it.
	m.replicated(t)
	m.lose(t)
	m.restore(t)
	m.start(t)
	assert.Empty(t, changes.lost(t, m), "of what was acknowledged before Litestream said that it has everything")
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

// log is how large the write-ahead log is, in bytes. It does not shrink when it is moved into the database, it is begun
// anew.
func (m *machine) log() int64 {
	info, err := os.Stat(m.database() + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
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
