// Command soak lets one or two real servers do everything at once for half an hour, and compares what they hold in the end
// with what they held in the beginning: goroutines, file descriptors, memory. `make soak MODE=everything` runs it.
//
// Both are measured in quiet: the beginning after a warm-up of the same work, so that what is kept once is there, and what
// is bounded is full. That takes 20 minutes. It ends with exit code 1, and leaves a dump of all goroutines, when a server
// holds more than is allowed for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// The databases.
const (
	sqlite  = "sqlite"
	mariaDB = "mariadb"
)

var (
	// errGrown is returned when a server holds more in the end than in the beginning: the report says which and what.
	errGrown = errors.New("a server holds more in the end than in the beginning")
	// errFailed is returned when work failed that should not have: the report says which.
	errFailed = errors.New("some of the work failed")
)

type options struct {
	length   time.Duration
	warmUp   time.Duration
	quiet    time.Duration
	database string
	nodes    int
	output   string
	dockit   string
	dump     string
	// every is the time between two samples.
	every time.Duration
}

func main() {
	var o options
	flag.DurationVar(&o.length, "length", 30*time.Minute, "how long the servers work, without warm-up and quiet")
	flag.DurationVar(&o.warmUp, "warm-up", 20*time.Minute, "how long they do the same before the beginning is measured: until memory that is bounded is full")
	flag.DurationVar(&o.quiet, "quiet", 2*time.Minute, "how long to wait at most until nothing goes on any more")
	flag.StringVar(&o.database, "database", sqlite, "sqlite or mariadb")
	flag.IntVar(&o.nodes, "nodes", 1, "how many servers there are: 1 or, with mariadb, 2")
	flag.StringVar(&o.output, "o", "table", "how to write the result: table or json")
	flag.StringVar(&o.dockit, "dockit", "", "the dockit `binary` to run (default: build it)")
	flag.StringVar(&o.dump, "dump", "soak-goroutines", "`folder` for the dumps of goroutines and heaps when something has grown")
	flag.Parse()
	o.every = max(o.length/360, time.Second)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.length <= 0 || o.warmUp <= 0 || o.quiet <= 0:
		return errors.New("-length, -warm-up and -quiet: give durations above 0")
	case o.database != sqlite && o.database != mariaDB:
		return fmt.Errorf("database %q: use sqlite or mariadb", o.database)
	case o.nodes != 1 && (o.nodes != 2 || o.database == sqlite):
		return fmt.Errorf("%d servers on %s: use 1, or 2 on mariadb", o.nodes, o.database)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("output %q: use table or json", o.output)
	}
	return nil
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "dockit-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.dockit == "" {
		say("building dockit")
		if o.dockit, err = build.Dockit(ctx, folder); err != nil {
			return err
		}
	}
	s, err := startSite(ctx, o, folder)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	r, err := s.soak(ctx, o)
	if err != nil {
		return err
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	if r.grown() {
		dump, _ := filepath.Abs(o.dump) // it only explains
		return errors.Join(fmt.Errorf("%w: dumps of goroutines and heaps are in %s", errGrown, dump), s.dump(ctx, o.dump))
	}
	if r.failed() {
		return errFailed
	}
	return nil
}

// soak warms up, measures, works, and measures again.
func (s *site) soak(ctx context.Context, o options) (*report, error) {
	say("warming up for %s", o.warmUp)
	if err := s.work(ctx, o.warmUp, nil); err != nil {
		return nil, err
	}
	before, err := s.settle(ctx, o.quiet, nil)
	if err != nil {
		return nil, err
	}
	if err := s.keepDumps(ctx); err != nil {
		return nil, err
	}
	say("working for %s", o.length)
	s.counts.reset()
	watch := newWatch(s, o.every)
	if err := s.work(ctx, o.length, watch); err != nil {
		return nil, err
	}
	say("waiting for quiet")
	after, err := s.settle(ctx, o.quiet, before)
	if err != nil {
		return nil, err
	}
	return newReport(o, s.targets, before, watch.samples, after, s.counts), nil
}

// say tells somebody who waits what is done, apart from the result.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
