package connections

import (
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConnectionsWaitWhileAllHaveRequests guards that the limit holds, and that
// stopping does not wait for those who wait.
func TestConnectionsWaitWhileAllHaveRequests(t *testing.T) {
	limit := NewLimit(1)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := limit.Listener(inner)
	for range 3 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	first, err := listener.Accept()
	require.NoError(t, err)
	c := limit.find(first)
	limit.mu.Lock()
	limit.unwait(c)
	limit.mu.Unlock()

	accepted := make(chan error, 1)
	var second net.Conn
	go func() {
		var err error
		second, err = listener.Accept()
		accepted <- err
	}()
	select {
	case err := <-accepted:
		t.Fatal("accepted beyond the limit", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, first.Close())
	require.NoError(t, <-accepted)
	limit.mu.Lock()
	limit.unwait(limit.open[second.RemoteAddr()])
	limit.mu.Unlock()

	go func() {
		_, err := listener.Accept()
		accepted <- err
	}()
	require.NoError(t, listener.Close())
	require.Error(t, <-accepted)
}

// TestWhoWaitsLongestMakesRoom guards which connection is closed for one more: the one
// whose last request is longest ago.
func TestWhoWaitsLongestMakesRoom(t *testing.T) {
	limit := NewLimit(2)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := limit.Listener(inner)
	defer listener.Close()
	accept := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		accepted, err := listener.Accept()
		require.NoError(t, err)
		return accepted
	}
	first, second := accept(), accept()
	limit.Follow(first, http.StateActive)
	limit.Follow(first, http.StateIdle)
	accept()
	require.Nil(t, limit.find(second))
	require.NotNil(t, limit.find(first))
	accept()
	require.Nil(t, limit.find(first))
}

// TestRunnableIsKnown guards that the runtime still tells what new connections
// wait for.
func TestRunnableIsKnown(t *testing.T) {
	const many = 100
	end := make(chan struct{})
	defer close(end)
	for range many {
		go func() {
			for {
				select {
				case <-end:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	require.Eventually(t, func() bool { return runnable() > many/2 }, 10*time.Second, time.Millisecond)
}
