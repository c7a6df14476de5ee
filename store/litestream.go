package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store/internal/dialect"
)

// ErrNotReplicated is returned for changes that are made in the database and
// may not be in its replica: they would be lost together with this machine.
var ErrNotReplicated = errors.New("the change is made, and it is not known whether Litestream has replicated it")

// replicateTimeout is how long Litestream may take for what was written. It
// takes whole seconds.
const replicateTimeout = 5 * time.Second

// litestream has what was written replicated before it is acknowledged, through
// the control socket of Litestream.
type litestream struct {
	socket string
	// database is the path of the database, absolute as Litestream names it.
	database string
	client   *http.Client
	// written counts the transactions of this process that may be in the
	// database, and those before it as one. replicated is how many of them are
	// in the replica for sure.
	written, replicated atomic.Int64
	failed              atomic.Pointer[refusal]

	mu sync.Mutex
	// running is under way, and too early for what is committed now; next
	// begins when it ends.
	running, next *replication
}

// replication is one round that all callers share who wait for it.
type replication struct {
	done chan struct{}
	err  error
}

func newLitestream(c Config) (*litestream, error) {
	if c.LitestreamSocket == "" {
		return nil, nil //nolint:nilnil // without it nothing is waited for
	}
	if c.Dialect != dialect.SQLite.Name {
		return nil, fmt.Errorf("a Litestream socket for %s: Litestream replicates SQLite only", c.Dialect)
	}
	database, err := dialect.ParseSQLiteDSN(c.DSN)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(database.Path)
	if err != nil {
		return nil, fmt.Errorf("path of the database for Litestream: %w", err)
	}
	l := &litestream{socket: c.LitestreamSocket, database: path}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.socket)
	}
	l.client = &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 1, IdleConnTimeout: time.Minute}}
	l.written.Store(1)
	return l, nil
}

// close lets go of the socket.
func (l *litestream) close() {
	if l != nil {
		l.client.CloseIdleConnections()
	}
}

// wrote takes a transaction into account.
func (l *litestream) wrote() {
	if l != nil {
		l.written.Add(1)
	}
}

// Replicated waits until everything that was committed before is in the replica
// of Litestream, if [Config] names its socket. It returns [ErrNotReplicated]
// when that is not so within some seconds.
func (s *Store) Replicated(ctx context.Context) error {
	l := s.litestream
	if l == nil || l.replicated.Load() == l.written.Load() {
		return nil
	}
	round := l.join()
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotReplicated, ctx.Err())
	}
}

// join returns a round that has not begun yet.
func (l *litestream) join() *replication {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &replication{done: make(chan struct{})}
		if l.running == nil {
			l.begin()
		}
	}
	return l.next
}

// begin starts the next round, with the lock held. A caller that asks from then on
// waits for the one after it.
func (l *litestream) begin() {
	round := l.next
	l.running = round
	go func() {
		l.mu.Lock()
		l.next = nil
		l.mu.Unlock()
		round.err = l.replicate()
		close(round.done)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running = nil; l.next != nil {
			l.begin()
		}
	}()
}

// replicate has Litestream replicate what is committed now.
func (l *litestream) replicate() error {
	written := l.written.Load()
	ctx, cancel := context.WithTimeout(context.Background(), replicateTimeout+time.Second)
	defer cancel()
	if err := l.sync(ctx); err != nil {
		err = fmt.Errorf("%w: %w: %s", ErrNotReplicated, err, l.hint())
		l.failed.Store(&refusal{err, time.Now()})
		return err
	}
	l.failed.Store(nil)
	l.replicated.Store(written)
	return nil
}

func (l *litestream) hint() string {
	return fmt.Sprintf("check that Litestream runs, replicates %s and listens on %s; it replicates the change as soon as it can", l.database, l.socket)
}

// sync is what the command litestream sync -wait does.
func (l *litestream) sync(ctx context.Context) error {
	var answer struct {
		TXID       uint64 `json:"txid"`
		Replicated uint64 `json:"replicated_txid"`
	}
	request := map[string]any{"path": l.database, "wait": true, "timeout": int(replicateTimeout.Seconds())}
	if err := l.ask(ctx, http.MethodPost, "/sync", request, &answer); err != nil {
		return err
	}
	if answer.Replicated < answer.TXID {
		return fmt.Errorf("litestream is at transaction %d, and its replica at %d", answer.TXID, answer.Replicated)
	}
	return nil
}

// ask makes a request at the control socket.
func (l *litestream) ask(ctx context.Context, method, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	// The host is not used: the socket leads to Litestream.
	r, err := http.NewRequestWithContext(ctx, method, "http://litestream"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(r)
	if err != nil {
		return fmt.Errorf("ask Litestream: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	const longest = 1 << 20
	read, err := io.ReadAll(io.LimitReader(resp.Body, longest))
	if err != nil {
		return fmt.Errorf("read what Litestream answers: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var failure struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(read, &failure) // the status is enough
		return fmt.Errorf("litestream answers %s %s", resp.Status, failure.Error)
	}
	if err := json.Unmarshal(read, answer); err != nil {
		return fmt.Errorf("litestream answers what cannot be read: %w", err)
	}
	return nil
}

// check warns in the log at start when changes will not be acknowledged.
func (l *litestream) check(ctx context.Context, logger *zap.Logger) {
	if l == nil {
		return
	}
	const timeout = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var listed struct {
		Databases []struct {
			Path string `json:"path"`
		} `json:"databases"`
	}
	err := l.ask(ctx, http.MethodGet, "/list", struct{}{}, &listed)
	var paths []string
	for _, d := range listed.Databases {
		if d.Path == l.database {
			return
		}
		paths = append(paths, d.Path)
	}
	if err == nil {
		err = fmt.Errorf("litestream replicates %s, and not %s", strings.Join(paths, ", "), l.database)
	}
	l.failed.Store(&refusal{fmt.Errorf("%w: %w: %s", ErrNotReplicated, err, l.hint()), time.Now()})
	logger.Warn("changes are acknowledged only when Litestream has replicated them, and it does not yet", zap.Error(err), zap.String("remedy", l.hint()))
}

// canReplicate says why changes would not be acknowledged, as far as is known.
// It has that tried again, at most once a second, and does not wait for it: who
// asks may only want tokens.
func (s *Store) canReplicate() error {
	if s.litestream == nil {
		return nil
	}
	last := s.litestream.failed.Load()
	if last == nil {
		return nil
	}
	if time.Since(last.at) >= probeInterval {
		s.litestream.join()
	}
	return last.err
}
