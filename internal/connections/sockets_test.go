package connections

import (
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSocketIsOpenedOnce guards that those who listen on one key share a socket,
// that another key has another, and that one which cannot be opened is tried again.
func TestSocketIsOpenedOnce(t *testing.T) {
	var sockets Sockets
	opened := 0
	open := func() (net.Listener, error) {
		opened++
		return new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	}
	errTaken := errors.New("taken")
	_, err := sockets.Listen("a", net.KeepAliveConfig{}, func() (net.Listener, error) { return nil, errTaken })
	require.ErrorIs(t, err, errTaken)
	assert.Zero(t, sockets.Len())

	first, err := sockets.Listen("a", net.KeepAliveConfig{}, open)
	require.NoError(t, err)
	assert.False(t, first.hasSuccessor())
	second, err := sockets.Listen("a", net.KeepAliveConfig{}, open)
	require.NoError(t, err)
	assert.True(t, first.hasSuccessor())
	assert.Equal(t, first.Addr(), second.Addr())
	other, err := sockets.Listen("b", net.KeepAliveConfig{}, open)
	require.NoError(t, err)
	assert.NotEqual(t, first.Addr(), other.Addr())
	assert.Equal(t, 2, opened)
	assert.Equal(t, 2, sockets.Len())

	require.NoError(t, first.Close())
	assert.Equal(t, 2, sockets.Len(), "the second listens on")
	require.NoError(t, errors.Join(second.Close(), other.Close()))
	assert.Zero(t, sockets.Len())
}

// TestHandOverWithoutASuccessor guards that a server whose address nobody takes
// over goes on to listen until it stops.
func TestHandOverWithoutASuccessor(t *testing.T) {
	var sockets Sockets
	listener, err := sockets.Listen("a", net.KeepAliveConfig{}, func() (net.Listener, error) {
		return new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	})
	require.NoError(t, err)
	defer listener.Close()
	h := NewHandover()
	h.Add(listener)
	h.HandOver()
	assert.Equal(t, 1, sockets.Len())
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, accepted.Close())
}
