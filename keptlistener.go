package dockit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// keptPrefix stands before the networks whose sockets outlive a reload.
const keptPrefix = "dockit-"

// keptNetworks are those that have such a network beside them, each with what
// Caddy serves HTTP/3 on there; nothing where it does not.
var keptNetworks = map[string]string{"tcp": "udp", "tcp4": "udp4", "tcp6": "udp6", "fd": "fdgram", "unix": ""}

func init() {
	for network, datagrams := range keptNetworks {
		caddy.RegisterNetwork(keptPrefix+network, listenKept)
		if datagrams != "" {
			caddyhttp.RegisterNetworkHTTP3(keptPrefix+network, datagrams)
		}
	}
}

// keptAddress is the address whose socket outlives a reload, in the place of
// one; the same where there is none.
//
// Caddy opens a socket of its own for every configuration, which share a port
// (SO_REUSEPORT): the system gives each a part of the connections, and closing
// the old one ends those that nobody has accepted yet.
func keptAddress(address string, tls bool) string {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return address
	}
	if _, found := keptNetworks[parsed.Network]; !found {
		return address
	}
	switch {
	case parsed.IsUnixNetwork() && tls:
		return address // Caddy knows that there is no HTTP/3 only by the name of the network
	case parsed.IsUnixNetwork(), parsed.IsFdNetwork():
		parsed.StartPort, parsed.EndPort = 1, 1 // which nobody looks at; 0 would be logged as any port
	case parsed.StartPort == 0:
		return address // any port, another one each time
	}
	parsed.Network = keptPrefix + parsed.Network
	return parsed.String()
}

// keptSockets are the sockets that are open, by network and address.
var keptSockets = struct {
	sync.Mutex
	open map[string]*keptSocket
}{open: make(map[string]*keptSocket)}

// keptSocket is a socket that configurations take connections from, one after
// the other: all go to the one that listens the longest, until it stops.
type keptSocket struct {
	net.Listener
	config net.ListenConfig
	// accepted are taken and wait for whoever listens the longest, until ended.
	accepted chan acceptance
	ended    chan struct{}
	// takers are those who listen, under the lock of keptSockets.
	takers []*keptListener
}

// listenKept is a [caddy.ListenerFunc].
func listenKept(ctx context.Context, network, host, ports string, offset uint, config net.ListenConfig) (any, error) {
	address := caddy.NetworkAddress{Network: strings.TrimPrefix(network, keptPrefix), Host: host}
	if !address.IsUnixNetwork() && !address.IsFdNetwork() {
		first, _, _ := strings.Cut(ports, "-")
		port, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", ports, err)
		}
		address.StartPort = uint(port) + offset
		address.EndPort = address.StartPort
	}
	key := address.String()
	keptSockets.Lock()
	defer keptSockets.Unlock()
	socket := keptSockets.open[key]
	if socket == nil {
		opened, err := address.Listen(ctx, 0, config)
		if err != nil {
			return nil, err
		}
		listener, ok := opened.(net.Listener)
		if !ok {
			return nil, fmt.Errorf("%s takes no connections", key)
		}
		socket = &keptSocket{Listener: listener, config: config, accepted: make(chan acceptance, maxAccepted), ended: make(chan struct{})}
		keptSockets.open[key] = socket
	}
	listener := &keptListener{
		key: key, socket: socket, config: config,
		turn: make(chan struct{}), closed: make(chan struct{}), left: make(chan struct{}),
	}
	socket.takers = append(socket.takers, listener)
	if len(socket.takers) == 1 {
		close(listener.turn)
		go socket.accept()
	}
	if servers := handoverOf(ctx); servers != nil {
		servers.listens(listener)
	}
	return listener, nil
}

// acceptance is what accepting a connection came to.
type acceptance struct {
	conn net.Conn
	err  error
}

// maxAccepted is how many connections are taken before somebody wants them. With
// none, each would wait until everybody who is ready to run has run, twice: under
// a flood, most would wait for that with the system.
const maxAccepted = 64

// accept takes connections until nobody listens any more.
func (s *keptSocket) accept() {
	defer func() {
		for {
			select {
			case a := <-s.accepted:
				if a.conn != nil {
					_ = a.conn.Close()
				}
			default:
				return
			}
		}
	}()
	for {
		conn, err := s.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case s.accepted <- acceptance{conn, err}:
		case <-s.ended:
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
	}
}

// keptListener is the part of a [keptSocket] that one configuration has.
type keptListener struct {
	key    string
	socket *keptSocket
	config net.ListenConfig
	// turn is closed once nobody listens for longer.
	turn   chan struct{}
	closed chan struct{}
	// left is closed once Accept has said that the listener is closed: what it
	// returned before is in the hands of the server.
	left    chan struct{}
	leaving sync.Once
	closing sync.Once
}

// Accept implements [net.Listener].
func (l *keptListener) Accept() (net.Conn, error) {
	select {
	case <-l.turn:
	case <-l.closed:
	}
	accepted := l.socket.accepted
	select {
	case <-l.closed:
		accepted = nil // what waits there is for the next
	default:
	}
	select {
	case a := <-accepted:
		if conn, ok := a.conn.(interface {
			SetKeepAliveConfig(config net.KeepAliveConfig) error
		}); ok && l.config.KeepAliveConfig != l.socket.config.KeepAliveConfig {
			_ = conn.SetKeepAliveConfig(l.config.KeepAliveConfig) // a connection that is gone, which whoever reads from it sees
		}
		return a.conn, a.err
	case <-l.closed:
		l.leaving.Do(func() { close(l.left) })
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close implements [net.Listener]. The last one closes the socket.
func (l *keptListener) Close() (err error) {
	l.closing.Do(func() {
		keptSockets.Lock()
		defer keptSockets.Unlock()
		for i, taker := range l.socket.takers {
			if taker == l {
				l.socket.takers = append(l.socket.takers[:i:i], l.socket.takers[i+1:]...)
				break
			}
		}
		close(l.closed)
		if len(l.socket.takers) == 0 {
			delete(keptSockets.open, l.key)
			close(l.socket.ended)
			err = l.socket.Listener.Close()
			return
		}
		select {
		case <-l.socket.takers[0].turn:
		default:
			close(l.socket.takers[0].turn)
		}
	})
	return err
}

// Addr implements [net.Listener].
func (l *keptListener) Addr() net.Addr { return l.socket.Listener.Addr() }

// hasSuccessor reports whether somebody else listens there, too.
func (l *keptListener) hasSuccessor() bool {
	keptSockets.Lock()
	defer keptSockets.Unlock()
	return len(l.socket.takers) > 1
}
