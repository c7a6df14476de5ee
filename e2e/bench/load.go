package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// longest is how long one request may take.
const longest = 30 * time.Second

// attack asks a target for so long on so many connections, so many times a second or, without a rate, as fast as answers come.
// Every answer must have the status.
func attack(ctx context.Context, target vegeta.Target, status, connections int, rate float64, length time.Duration) (*vegeta.Metrics, error) {
	transport := new(transport)
	defer transport.close()
	attacker := vegeta.NewAttacker(vegeta.Workers(uint64(connections)), vegeta.MaxWorkers(uint64(connections)),
		vegeta.Client(&http.Client{Transport: transport}))
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	const perSecond = 1000 // of what a rate is rounded to
	pacer := vegeta.ConstantPacer{Freq: int(rate * perSecond), Per: perSecond * time.Second}
	metrics, failure := new(vegeta.Metrics), error(nil)
	for result := range attacker.Attack(vegeta.NewStaticTargeter(target), pacer, length, "") {
		if int(result.Code) != status && failure == nil {
			failure = fmt.Errorf("%s %s: not %d but %d: %s %.300s", target.Method, target.URL, status, result.Code, result.Error, result.Body)
		}
		metrics.Add(result)
	}
	metrics.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if failure == nil && metrics.Requests == 0 {
		failure = fmt.Errorf("%s %s: no answer in %s", target.Method, target.URL, length)
	}
	return metrics, failure
}

// transport sends each request and reads its answer on the goroutine that asks, over connections that it keeps. That of Go
// takes more time than the server does, and then it is the load that is measured.
type transport struct {
	mu   sync.Mutex
	idle []*connection
}

type connection struct {
	net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := t.take(r.Context(), r.URL.Host)
	if err != nil {
		return nil, err
	}
	response, err := c.ask(r)
	if err != nil || response.Close {
		_ = c.Close() // the first error counts
		return response, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, c)
	return response, nil
}

// ask makes one request, and reads all of the answer.
func (c *connection) ask(r *http.Request) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(longest)); err != nil {
		return nil, err
	}
	if err := r.Write(c.writer); err != nil {
		return nil, err
	}
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}

func (t *transport) take(ctx context.Context, address string) (*connection, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.idle) - 1; last >= 0 {
		c := t.idle[last]
		t.idle = t.idle[:last]
		return c, nil
	}
	c, err := (&net.Dialer{Timeout: longest}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	const room = 8 << 10
	return &connection{c, bufio.NewReaderSize(c, room), bufio.NewWriterSize(c, room)}, nil
}

func (t *transport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		_ = c.Close() // nothing is lost
	}
}
