package store

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

// controlSocket answers like the control socket of Litestream, whenever the
// test lets it. What the real one does is in the end-to-end tests.
type controlSocket struct {
	path    string
	asked   chan struct{}
	answers chan func(w http.ResponseWriter)

	mu       sync.Mutex
	requests []string
}

func newControlSocket(t *testing.T) *controlSocket {
	t.Helper()
	c := &controlSocket{path: filepath.Join(t.TempDir(), "sock"), asked: make(chan struct{}, 100), answers: make(chan func(http.ResponseWriter), 100)}
	listener, err := net.Listen("unix", c.path)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sync", func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Path    string
			Wait    bool
			Timeout int
		}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&request))
		assert.True(t, request.Wait)
		assert.Equal(t, 5, request.Timeout)
		c.mu.Lock()
		c.requests = append(c.requests, request.Path)
		c.mu.Unlock()
		c.asked <- struct{}{}
		select {
		case answer := <-c.answers:
			answer(w)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"databases":[{"path":"/elsewhere/db","status":"replicating"}]}`))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return c
}

func synced(w http.ResponseWriter) {
	_, _ = w.Write([]byte(`{"status":"synced","path":"x","txid":7,"replicated_txid":7}`))
}

func (c *controlSocket) rounds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

func openReplicated(t *testing.T, c *controlSocket) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite"), LitestreamSocket: c.path}, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	c.answers <- synced // of what was there before
	require.NoError(t, s.Replicated(t.Context()))
	<-c.asked
	return s
}

func TestReplicatedSharesRounds(t *testing.T) {
	c := newControlSocket(t)
	s := openReplicated(t, c)
	require.NoError(t, s.Replicated(t.Context()), "nothing was written")
	require.Equal(t, 1, c.rounds(), "nothing was written")
	create(t, s, "user:alice")
	first := make(chan error, 1)
	go func() { first <- s.Replicated(t.Context()) }()
	<-c.asked // the round of alice has begun, and is too early for the others
	create(t, s, "user:bob", "user:carol")
	others := make(chan error, 2)
	for range 2 {
		go func() { others <- s.Replicated(t.Context()) }()
	}
	c.answers <- synced
	require.NoError(t, <-first)
	<-c.asked
	select {
	case err := <-others:
		t.Errorf("acknowledged before it was replicated: %v", err)
	default:
	}
	c.answers <- synced
	// Whoever came after the second round began has one more.
	c.answers <- synced
	for range 2 {
		require.NoError(t, <-others)
	}
	n := c.rounds()
	assert.GreaterOrEqual(t, n, 3)
	assert.LessOrEqual(t, n, 4)
	for _, path := range c.requests {
		assert.Equal(t, s.litestream.database, path)
		assert.True(t, filepath.IsAbs(path))
	}
}

func TestNotReplicated(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		says   string
	}{
		{"replica behind", func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"status":"no_change","txid":7,"replicated_txid":6}`))
		}, "replica at 6"},
		{"another database", func(w http.ResponseWriter) {
			http.Error(w, `{"error":"database not found: /x"}`, http.StatusNotFound)
		}, "404 Not Found database not found: /x"},
		{"nonsense", func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, "cannot be read"},
		{"broken off", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newControlSocket(t)
			s := openReplicated(t, c)
			create(t, s, "user:alice")
			c.answers <- tc.answer
			err := s.Replicated(t.Context())
			require.ErrorIs(t, err, ErrNotReplicated)
			require.ErrorContains(t, err, tc.says)
			require.ErrorIs(t, s.CanChange(t.Context()), ErrNotReplicated, "CanChange")
			c.answers <- synced // nothing was written since, and yet it is asked for again
			assert.NoError(t, s.Replicated(t.Context()))
			assert.NoError(t, s.CanChange(t.Context()), "CanChange")
		})
	}
}

func TestLitestreamConfig(t *testing.T) {
	_, err := Open(t.Context(), Config{Dialect: "mysql", DSN: "u:p@tcp(localhost:1)/d", LitestreamSocket: "/s"}, zap.NewNop())
	require.ErrorContains(t, err, "SQLite only", "a socket for MySQL")
	for name, tc := range map[string]struct{ socket, says string }{
		"nobody listens":   {filepath.Join(t.TempDir(), "none"), "no such file"},
		"another database": {newControlSocket(t).path, "replicates /elsewhere/db, and not /"},
	} {
		core, logs := observer.New(zap.WarnLevel)
		s, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "d.sqlite"), LitestreamSocket: tc.socket}, zap.New(core))
		require.NoError(t, err, name)
		defer s.Close()
		all := logs.All()
		require.Len(t, all, 1, name)
		assert.Contains(t, all[0].ContextMap()["error"].(string), tc.says, name)
	}
	s := onSQLite.open(t)
	create(t, s, "user:alice")
	assert.NoError(t, s.Replicated(t.Context()), "without a socket")
}

// TestReadinessDoesNotWaitForLitestream has a Litestream that hangs: who asks
// whether tokens are issued gets an answer.
func TestReadinessDoesNotWaitForLitestream(t *testing.T) {
	c := newControlSocket(t)
	s := openReplicated(t, c)
	create(t, s, "user:alice")
	c.answers <- func(w http.ResponseWriter) { http.Error(w, `{"error":"no"}`, http.StatusInternalServerError) }
	require.ErrorIs(t, s.Replicated(t.Context()), ErrNotReplicated)
	<-c.asked
	s.litestream.failed.Store(&refusal{s.litestream.failed.Load().err, time.Now().Add(-probeInterval)})
	for range 3 { // and nobody answers the one attempt that they make
		require.ErrorIs(t, s.CanChange(t.Context()), ErrNotReplicated)
	}
	<-c.asked
	for range 3 { // those who came later have at most two more
		c.answers <- synced
	}
	assert.NoError(t, s.Replicated(t.Context()))
	assert.NoError(t, s.CanChange(t.Context()))
}
