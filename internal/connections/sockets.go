package connections

import (
	"errors"
	"net"
	"sync"
)

// Sockets are those that are open, by a key such as network and address.
type Sockets struct {
	mu   sync.Mutex
	open map[string]*socket
}

// socket is one that configurations take connections from, one after the other:
// all go to the one that listens the longest, until it stops.
type socket struct {
	net.Listener
	keepAlive net.KeepAliveConfig
	// accepted are taken and wait for the listener that listens the longest, until ended.
	accepted chan acceptance
	ended    chan struct{}
	// takers are those who listen, under the lock of Sockets.
	takers []*Listener
}

// Listen listens on the socket of a key, which it opens unless it is open already.
// Connections are kept alive as the one who takes them asks for.
func (s *Sockets) Listen(key string, keepAlive net.KeepAliveConfig, open func() (net.Listener, error)) (*Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.open[key]
	if shared == nil {
		opened, err := open()
		if err != nil {
			return nil, err
		}
		shared = &socket{Listener: opened, keepAlive: keepAlive, accepted: make(chan acceptance, maxAccepted), ended: make(chan struct{})}
		if s.open == nil {
			s.open = make(map[string]*socket)
		}
		s.open[key] = shared
	}
	listener := &Listener{
		key: key, sockets: s, socket: shared, keepAlive: keepAlive,
		turn: make(chan struct{}), closed: make(chan struct{}), left: make(chan struct{}),
	}
	shared.takers = append(shared.takers, listener)
	if len(shared.takers) == 1 {
		close(listener.turn)
		go shared.accept()
	}
	return listener, nil
}

// Len is how many sockets are open.
func (s *Sockets) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// acceptance is what accepting a connection came to.
type acceptance struct {
	conn net.Conn
	err  error
}

// maxAccepted is how many connections are taken before a listener wants them. With
// none, each would wait until everybody who is ready to run has run, twice: under
// a flood, most would wait for that with the system.
const maxAccepted = 64

// accept takes connections until no listener is left.
func (s *socket) accept() {
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

// Listener is the part of a socket that one configuration has.
type Listener struct {
	key       string
	sockets   *Sockets
	socket    *socket
	keepAlive net.KeepAliveConfig
	// turn is closed once no listener has been there for longer.
	turn   chan struct{}
	closed chan struct{}
	// left is closed once Accept has said that the listener is closed: what it
	// returned before is in the hands of the server.
	left    chan struct{}
	leaving sync.Once
	closing sync.Once
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
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
		}); ok && l.keepAlive != l.socket.keepAlive {
			_ = conn.SetKeepAliveConfig(l.keepAlive) // a connection that is gone, which its reader sees
		}
		return a.conn, a.err
	case <-l.closed:
		l.leaving.Do(func() { close(l.left) })
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close implements [net.Listener]. The last one closes the socket.
func (l *Listener) Close() (err error) {
	l.closing.Do(func() {
		l.sockets.mu.Lock()
		defer l.sockets.mu.Unlock()
		for i, taker := range l.socket.takers {
			if taker == l {
				l.socket.takers = append(l.socket.takers[:i:i], l.socket.takers[i+1:]...)
				break
			}
		}
		close(l.closed)
		if len(l.socket.takers) == 0 {
			delete(l.sockets.open, l.key)
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
func (l *Listener) Addr() net.Addr { return l.socket.Listener.Addr() }

// hasSuccessor reports whether another process listens there, too.
func (l *Listener) hasSuccessor() bool {
	l.sockets.mu.Lock()
	defer l.sockets.mu.Unlock()
	return len(l.socket.takers) > 1
}
