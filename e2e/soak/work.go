package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// work is one kind of what goes on all the time.
type work struct {
	name    string
	workers int
	// pause is that between two times of a worker.
	pause time.Duration
	// start makes what one worker does again and again, at one server after the other.
	start func(s *site, worker int) func(ctx context.Context, n *node, round int) error
}

// The kinds of work that come under ever new names. They fill memory that is bounded, so that they go on faster in the
// warm-up: when the beginning is measured, it must be full.
const (
	unknownNames = "wrong password, unknown names"
	briefRobots  = "robot: make, grant, use, disable, remove"
)

var filling = map[string]bool{unknownNames: true, briefRobots: true}

// once limits what one piece of work may take.
const once = time.Minute

// everything is all kinds of work on a database.
func everything(database string) []work {
	all := append(append(append([]work{}, tokens...), changes...), hostile...)
	all = append(all, outside...)
	if database == sqlite {
		all = append(all, backup)
	}
	return all
}

// work does everything for some time, and lets what is under way end. A watch looks on; without one, it is the warm-up.
func (s *site) work(ctx context.Context, length time.Duration, w *watch) error {
	ctx, stop := context.WithTimeout(ctx, length)
	defer stop()
	database := sqlite
	if s.maria != nil {
		database = mariaDB
	}
	var running sync.WaitGroup
	for _, one := range everything(database) {
		wait := one.pause
		if w == nil && filling[one.name] {
			wait /= 5
		}
		for worker := range one.workers {
			do := one.start(s, worker)
			running.Go(func() {
				for round := 0; ctx.Err() == nil; round++ {
					s.do(ctx, one.name, s.nodes[(worker+round)%len(s.nodes)], round, do)
					_ = pause(ctx, wait) // the loop looks
				}
			})
		}
	}
	var failed error
	if w != nil {
		failed = w.run(ctx)
		stop()
	}
	running.Wait()
	for _, t := range s.targets {
		select {
		case <-t.Done():
			return fmt.Errorf("%s ended by itself:\n%s", t.title, t.Output())
		default:
		}
	}
	return failed
}

// do does one piece and counts it. It is not broken off: else nobody knows what became of it.
func (s *site) do(ctx context.Context, name string, n *node, round int, do func(context.Context, *node, int) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), once)
	defer cancel()
	began := time.Now()
	err := do(ctx, n, round)
	s.counts.add(name, time.Since(began), err)
}
