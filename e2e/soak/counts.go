package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

// count is how one kind of work went.
type count struct {
	Done int `json:"done"`
	// Unanswered are requests whose connection was closed instead, as reloads do to few.
	Unanswered int `json:"unanswered"`
	Failed     int `json:"failed"`
	// Failure is the first one.
	Failure string `json:"failure,omitempty"`

	took []time.Duration
}

// counts is how all work went, by its name.
type counts struct {
	mu sync.Mutex
	of map[string]*count
}

func newCounts() *counts { return &counts{of: map[string]*count{}} }

func (c *counts) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of = map[string]*count{}
}

func (c *counts) add(name string, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.of[name]
	if of == nil {
		of = &count{}
		c.of[name] = of
	}
	switch {
	case err == nil:
		of.Done++
		of.took = append(of.took, took)
	case unanswered(err):
		of.Unanswered++
	default:
		if of.Failed++; of.Failure == "" {
			of.Failure = err.Error()
		}
	}
}

// quantile of how long it took, or zero when nothing was done.
func (c *count) quantile(q float64) time.Duration {
	if len(c.took) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(c.took))[int(q*float64(len(c.took)-1))]
}

// unanswered reports whether a connection was closed, or could not be made, before an answer came.
func unanswered(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, net.ErrClosed) ||
		err != nil && strings.HasSuffix(err.Error(), "http: server closed idle connection") // which net/http has no name for
}

// must makes a request of the admin API that has to succeed, and decodes what it answers.
func must(ctx context.Context, c call.Caller, method, path string, body, into any) error {
	a, err := c.Send(ctx, method, api+path, body)
	if err != nil {
		return err
	}
	if !a.OK() {
		return fmt.Errorf("%s %s as %s: %s", method, path, c.Username, a)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.Body, into)
}

// get makes a request that must be answered with a status.
func get(ctx context.Context, c call.Caller, path string, status int) error {
	a, err := c.Send(ctx, http.MethodGet, path, nil)
	if err == nil && a.Status != status {
		err = fmt.Errorf("GET %s as %q: not %d: %.300s", path, c.Username, status, a)
	}
	return err
}
