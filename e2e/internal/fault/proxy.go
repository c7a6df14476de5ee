// Package fault stands between a client and a MariaDB and makes the line bad: it cuts connections, delays packets, passes
// half of one, and passes them in another order, at random.
//
// It knows where the packets of the protocol begin, and nothing else of them; so the line has no TLS. What happens to a
// connection follows from the seed and from what was asked of it before: connections that race are not the same twice.
package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// header is the length of what every packet begins with: the length of the rest in three bytes, and a number that counts
// them within one exchange.
const header = 4

// Proxy passes connections on to one server. It begins with good weather.
type Proxy struct {
	listener net.Listener
	upstream string
	stop     context.CancelFunc
	running  sync.WaitGroup
	seed     uint64
	tally    tally

	mu      sync.Mutex
	weather Weather
	number  uint64
	conns   map[*line]bool
	// changed is closed when the weather changes.
	changed chan struct{}
}

// line is one connection of a client with the one to the server that it is passed on to.
type line struct {
	client, server *net.TCPConn
	closed         chan struct{}
	close          func()
	// abrupt closes with a reset.
	abrupt func()
	// stalled is set once something is held back until the weather changes.
	stalled atomic.Bool
}

// Listen starts a proxy in front of a server. Close it.
func Listen(ctx context.Context, upstream string, seed uint64) (*Proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen in front of %s: %w", upstream, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Proxy{
		listener: listener, upstream: upstream, stop: stop, seed: seed, tally: tally{},
		conns: map[*line]bool{}, changed: make(chan struct{}),
	}
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

// Address is where clients connect to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Tally is how often each fault has happened.
func (p *Proxy) Tally() map[string]int64 { return p.tally.read() }

// Set changes the weather. What was held back goes on, or its connection is cut; in weather that refuses connections, all
// of them are.
func (p *Proxy) Set(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
	close(p.changed)
	p.changed = make(chan struct{})
	random := p.random()
	for l := range p.conns {
		if w.Refuse || (l.stalled.Load() && random.IntN(2) == 0) {
			l.abrupt()
		}
	}
}

// Close ends every connection.
func (p *Proxy) Close() {
	p.stop()
	_ = p.listener.Close() // nobody connects any more
	p.Set(Weather{Refuse: true})
	p.running.Wait()
}

// random is a source for one use. The lock is held.
func (p *Proxy) random() *rand.Rand {
	p.number++
	return rand.New(rand.NewPCG(p.seed, p.number)) //nolint:gosec // it has to be the same again for the same seed
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(ctx, client.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(ctx context.Context, client *net.TCPConn) {
	w, changed := p.now()
	if w.Silent {
		// The connection is there, and nobody answers.
		p.tally.add("silent")
		select {
		case <-changed:
		case <-time.After(silence):
		}
	}
	if w.Refuse || ctx.Err() != nil {
		p.tally.add("refused")
		_ = client.Close()
		return
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	server := conn.(*net.TCPConn)
	l := &line{client: client, server: server, closed: make(chan struct{})}
	end := sync.OnceFunc(func() {
		close(l.closed)
		_, _ = client.Close(), server.Close()
	})
	l.close = end
	l.abrupt = func() {
		_, _ = client.SetLinger(0), server.SetLinger(0) // it may be closed
		end()
	}
	p.mu.Lock()
	p.conns[l] = true
	requests, answers := p.random(), p.random()
	if p.weather.Refuse || ctx.Err() != nil {
		l.abrupt()
	}
	p.mu.Unlock()
	defer func() {
		l.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, l)
	}()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, requests, server, client) })
	both.Go(func() { p.pass(l, answers, client, server) })
	both.Wait()
}

// now is the weather, and what is closed when it changes.
func (p *Proxy) now() (Weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather, p.changed
}

// pass passes packets from one end to the other, and closes both when either ends.
func (p *Proxy) pass(l *line, random *rand.Rand, to io.Writer, from io.Reader) {
	defer l.close()
	packets := make(chan []byte)
	go func() {
		defer close(packets)
		for {
			packet, err := read(from)
			if err != nil {
				return
			}
			select {
			case packets <- packet:
			case <-l.closed:
				return
			}
		}
	}()
	for packet := range packets {
		w, _ := p.now()
		fault := w.pick(random)
		if fault != "" {
			p.tally.add(string(fault))
		}
		if err := p.inflict(l, fault, w, random, to, packet, packets); err != nil {
			return
		}
	}
}

var errCut = errors.New("the connection was cut")

// inflict passes a packet on with a fault, or without one.
func (p *Proxy) inflict(l *line, f Fault, w Weather, random *rand.Rand, to io.Writer, packet []byte, next <-chan []byte) error {
	write := func(part []byte) error {
		_, err := to.Write(part)
		return err
	}
	// Never nothing, and never all of it.
	half := 1 + random.IntN(len(packet)-1)
	switch f {
	case Cut:
		if random.IntN(2) == 0 {
			l.abrupt()
		}
		return errCut
	case HalveAndCut:
		if err := write(packet[:half]); err != nil {
			return err
		}
		return errCut
	case HalveAndStall, Stall:
		if f == Stall {
			half = 0
		}
		if err := write(packet[:half]); err != nil {
			return err
		}
		p.stall(l)
		return write(packet[half:])
	case Delay:
		p.wait(l, w.delay(random))
	case Slice:
		if err := write(packet[:half]); err != nil {
			return err
		}
		p.wait(l, w.delay(random))
		return write(packet[half:])
	case Reorder:
		select {
		case following, ok := <-next:
			if !ok {
				return errCut
			}
			p.tally.add("reordered indeed")
			if err := write(following); err != nil {
				return err
			}
		case <-time.After(w.delay(random)): // nothing follows: it was only late
		case <-l.closed:
		}
	}
	return write(packet)
}

// stall holds a line until the weather changes, or for so long that every client has given up.
func (p *Proxy) stall(l *line) {
	_, changed := p.now()
	l.stalled.Store(true)
	defer l.stalled.Store(false)
	select {
	case <-changed:
	case <-l.closed:
	case <-time.After(silence):
	}
}

func (p *Proxy) wait(l *line, d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.closed:
	}
}

// read reads one packet.
func read(from io.Reader) ([]byte, error) {
	var head [header]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	number := head[3]
	head[3] = 0
	packet := make([]byte, header+int(binary.LittleEndian.Uint32(head[:])))
	copy(packet, head[:3])
	packet[3] = number
	_, err := io.ReadFull(from, packet[header:])
	return packet, err
}
