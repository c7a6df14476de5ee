package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const (
	// ReadyTimeout is how long a server may take until it answers.
	ReadyTimeout = 60 * time.Second

	pollInterval = 20 * time.Millisecond
	pollTimeout  = 5 * time.Second
)

var (
	// ErrNotReady is returned when a server did not answer as expected before the deadline.
	ErrNotReady = errors.New("not ready in time")

	// ErrEnded is returned when a process ended while it was waited for.
	ErrEnded = errors.New("ended before it was ready")
)

// WaitReady polls url until it answers with one of the statuses, the process ends or ReadyTimeout is over.
// Errors hold everything that the process printed.
func (p *Process) WaitReady(ctx context.Context, client *http.Client, url string, statuses ...int) error {
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		if last = probe(ctx, client, url, statuses); last == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.done:
			return fmt.Errorf("%s %w (%s): %w\n%s", p.command.Name, ErrEnded, p.command, p.err, p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s %w: %w\n%s", p.command.Name, ErrNotReady, last, p.Output())
		}
	}
}

func probe(ctx context.Context, client *http.Client, url string, statuses []int) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		return fmt.Errorf("GET %s answered %s", url, resp.Status)
	}
	return nil
}
