package galera

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	checkInterval = 200 * time.Millisecond
	checkTimeout  = time.Second
)

// Balancer stands between one Dockit and the nodes, as a HAProxy does: it passes each connection on to the first node
// that takes changes, and cuts the connections to one that ceased to. Which nodes it can reach is up to the test.
type Balancer struct {
	listener net.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu sync.Mutex
	// reach are the nodes, the preferred one first.
	reach []*Node
	up    map[*Node]bool
	conns map[*connection]bool
	// silent swallows everything until it is closed; nil when everything passes.
	silent chan struct{}
}

// connection is one of a Dockit with the node it was passed on to.
type connection struct {
	node             *Node
	client, upstream net.Conn
	closed           chan struct{}
	close            func()
}

// Balance starts a balancer over nodes, the preferred one first. Close it.
func Balance(ctx context.Context, nodes ...*Node) (*Balancer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen in front of the nodes: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &Balancer{listener: listener, stop: stop, reach: nodes, up: map[*Node]bool{}, conns: map[*connection]bool{}}
	for _, n := range nodes {
		// As seen from here, not over the connection that the tests have to the node.
		db, err := openAt(n.Address(), checkTimeout)
		if err != nil {
			return nil, err
		}
		b.check(ctx, n, db)
		b.running.Go(func() {
			defer db.Close()
			b.watch(ctx, n, db)
		})
	}
	b.running.Go(func() { b.accept(ctx) })
	return b, nil
}

// openAt opens a pool of connections to an address as the user of the databases.
func openAt(address string, timeout time.Duration) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr = User, Password, "tcp", address
	config.Timeout, config.ReadTimeout, config.WriteTimeout = timeout, timeout, timeout
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return sql.OpenDB(connector), nil
}

// DSN is what to give to a Dockit. The parameters begin with a question mark.
func (b *Balancer) DSN(parameters string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s%s", User, Password, b.listener.Addr(), Database, parameters)
}

// Reach says which nodes can be reached from now on. Connections to others are cut; none leaves nobody to answer.
func (b *Balancer) Reach(nodes ...*Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reach = nodes
	b.cut(func(c *connection) bool { return !slices.Contains(nodes, c.node) })
}

// Silence makes the balancer take connections and pass nothing on, in neither direction, until Speak.
func (b *Balancer) Silence() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = make(chan struct{})
}

// Speak ends a silence, and cuts what went on during it.
func (b *Balancer) Speak() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent != nil {
		close(b.silent)
		b.silent = nil
	}
	b.cut(func(*connection) bool { return true })
}

// Close ends every connection.
func (b *Balancer) Close() {
	b.stop()
	_ = b.listener.Close() // nobody connects any more
	b.Speak()
	b.running.Wait()
}

// cut closes the connections that match. The lock is held.
func (b *Balancer) cut(which func(*connection) bool) {
	for c := range b.conns {
		if which(c) {
			c.close()
			delete(b.conns, c)
		}
	}
}

func (b *Balancer) watch(ctx context.Context, n *Node, db *sql.DB) {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.check(ctx, n, db)
		}
	}
}

func (b *Balancer) check(ctx context.Context, n *Node, db *sql.DB) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	state, err := stateOf(ctx, db)
	up := err == nil && state.Ready()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up[n] = up
	if !up {
		b.cut(func(c *connection) bool { return c.node == n })
	}
}

func (b *Balancer) accept(ctx context.Context) {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() { b.serve(ctx, client) })
	}
}

func (b *Balancer) serve(ctx context.Context, client net.Conn) {
	n := b.choose()
	if n == nil {
		_ = client.Close() // as a balancer without a server does
		return
	}
	upstream, err := (&net.Dialer{Timeout: checkTimeout}).DialContext(ctx, "tcp", n.Address())
	if err != nil {
		_ = client.Close()
		return
	}
	c := &connection{node: n, client: client, upstream: upstream, closed: make(chan struct{})}
	c.close = sync.OnceFunc(func() {
		close(c.closed)
		_, _ = client.Close(), upstream.Close()
	})
	b.mu.Lock()
	b.conns[c] = true
	if !b.up[n] || !slices.Contains(b.reach, n) || ctx.Err() != nil {
		c.close() // it went down in the meantime
	}
	b.mu.Unlock()
	defer func() {
		c.close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, c)
	}()
	var both sync.WaitGroup
	both.Go(func() { b.pass(c, upstream, client) })
	both.Go(func() { b.pass(c, client, upstream) })
	both.Wait()
}

// choose returns the first node that is up and can be reached, or nil.
func (b *Balancer) choose() *Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.reach {
		if b.up[n] {
			return n
		}
	}
	return nil
}

// pass copies from one end to the other and closes both when either ends.
func (b *Balancer) pass(c *connection, to, from net.Conn) {
	defer c.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			b.mu.Lock()
			silent := b.silent
			b.mu.Unlock()
			if silent != nil {
				select {
				case <-silent:
				case <-c.closed:
				}
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
