package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// trialTime bounds one that is not patient, and patientTime one that is.
const (
	trialTime   = 3 * time.Minute
	patientTime = 10 * time.Minute
)

// cell is what came of one operation of one client at one site.
type cell struct {
	Mark   mark   `json:"mark"`
	Reason string `json:"reason,omitempty"`
}

// mark is how a cell is shown.
type mark string

const (
	passed mark = "✓"
	failed mark = "✗"
	notRun mark = "–"
)

// matrix is everything that was tried.
type matrix struct {
	clients    []*client
	operations []operation
	kinds      []*siteKind

	mu    sync.Mutex
	cells map[string]cell
}

func newMatrix(clients []*client, operations []operation, kinds []*siteKind) *matrix {
	return &matrix{clients: clients, operations: operations, kinds: kinds, cells: map[string]cell{}}
}

// key is what a cell is kept by: another version of a client is tried again.
func key(kind *siteKind, c *client, o operation) string {
	return strings.Join([]string{kind.id, c.id, c.version, o.id}, " ")
}

func (m *matrix) set(kind *siteKind, c *client, o operation, result cell) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cells[key(kind, c, o)] = result
}

func (m *matrix) at(kind *siteKind, c *client, o operation) cell {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cells[key(kind, c, o)]
}

// run tries everything, so many clients at once, and calls done after each site.
func (m *matrix) run(ctx context.Context, p programs, folder string, parallel int, done func() error) error {
	for _, kind := range m.kinds {
		if kind.absent != "" || m.complete(kind) {
			continue
		}
		if err := m.runAt(ctx, kind, p, filepath.Join(folder, kind.id), parallel); err != nil {
			return fmt.Errorf("%s: %w", kind.title, err)
		}
		if err := done(); err != nil {
			return err
		}
	}
	return nil
}

func (m *matrix) runAt(ctx context.Context, kind *siteKind, p programs, folder string, parallel int) (err error) {
	began := time.Now()
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	s, err := startSite(ctx, kind, p, folder)
	defer func() { err = errors.Join(err, s.stop(), os.RemoveAll(folder)) }()
	if err != nil {
		return err
	}
	turns := make(chan struct{}, parallel)
	var clients, patient sync.WaitGroup
	for _, c := range m.clients {
		if c.absent != "" {
			continue
		}
		clients.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			for _, o := range m.operations {
				if !o.patient && ctx.Err() == nil && m.at(kind, c, o).Mark == "" {
					m.try(ctx, s, c, o)
				}
			}
		})
	}
	clients.Wait()
	for _, o := range m.operations {
		for _, c := range m.clients {
			if o.patient && c.absent == "" && m.at(kind, c, o).Mark == "" {
				patient.Go(func() { m.try(ctx, s, c, o) })
			}
		}
		patient.Wait()
	}
	say("%s: %s", kind.title, time.Since(began).Round(time.Second))
	return ctx.Err()
}

// try tries one operation and keeps what came of it.
func (m *matrix) try(ctx context.Context, s *site, c *client, o operation) {
	limit := trialTime
	if o.patient {
		limit = patientTime
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	t := &trial{site: s, client: c, id: c.id + "-" + o.id, folder: filepath.Join(s.folder, c.id, o.id)}
	err := func() error {
		switch {
		case o.pushes && s.kind.cache:
			return errCache
		case o.pushes && c.pulls != "":
			return &missingError{c.pulls}
		case o.patient && !s.kind.patient:
			return &missingError{"takes minutes, and is tried at others"}
		}
		if err := os.MkdirAll(t.folder, 0o700); err != nil {
			return err
		}
		return errors.Join(o.try(ctx, t), os.RemoveAll(t.folder))
	}()
	m.set(s.kind, c, o, outcome(err, c.faults[o.id]))
}

// outcome is the cell of an operation that ended with an error or without. A fault is a reason for which that is no news.
func outcome(err error, fault string) cell {
	missing, isMissing := errors.AsType[*missingError](err)
	switch {
	case isMissing:
		return cell{notRun, missing.reason}
	case err == nil && fault != "":
		return cell{failed, "is expected to fail, and does not: " + fault}
	case err == nil:
		return cell{Mark: passed}
	case fault != "":
		return cell{failed, knownFault + fault}
	default:
		return cell{failed, oneLine(err.Error())}
	}
}

// knownFault is how the reason of a failure begins that is the client's own, and known.
const knownFault = "the client's own: "

// failures are those that nobody expects, in the order of the tables.
func (m *matrix) failures() (all []string) {
	for _, kind := range m.kinds {
		for _, c := range m.clients {
			for _, o := range m.operations {
				if got := m.at(kind, c, o); got.Mark == failed && !strings.HasPrefix(got.Reason, knownFault) {
					all = append(all, fmt.Sprintf("%s, %s, %s: %s", kind.title, c.id, o.title, got.Reason))
				}
			}
		}
	}
	return all
}

// oneLine is a text without line ends, not too long for a table.
func oneLine(text string) string {
	const most = 600
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// say tells somebody who waits what is done, apart from the result.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
