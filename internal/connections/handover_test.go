package connections

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestReloadDoesNotWaitForIdleConnections guards that nobody who connects and
// says nothing delays a reload for longer than a few seconds.
func TestReloadDoesNotWaitForIdleConnections(t *testing.T) {
	h := &Handover{fresh: map[net.Conn]*freshConnection{
		&net.TCPConn{}: {accepted: time.Now().Add(-2 * freshFor)},
		&net.TCPConn{}: {accepted: time.Now().Add(-freshFor)},
	}}
	assert.LessOrEqual(t, h.WaitFor(), time.Duration(0))
	h.fresh[&net.TCPConn{}] = &freshConnection{accepted: time.Now()}
	assert.Positive(t, h.WaitFor())
	assert.LessOrEqual(t, h.WaitFor(), freshFor)
}
