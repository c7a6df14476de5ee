// Command bench measures what a request for a token costs a real server, as users run it: through Caddy, with SQLite on disk.
// Each case is compared with what cannot be avoided, measured beside it in the same run: a Caddy that responds with a body of
// the same size, and one bare ES256 signature. `make bench` runs it.
//
// Server and load have a core of their own. What is compared is CPU time of the whole process of the server, so that a slow
// machine changes the figures and hardly the ratios. It ends with exit code 1 when a ratio is beyond what is promised.
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
	"regexp"
	"syscall"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cores"
)

// errLimits is returned when a measurement is beyond its limit: the report says which.
var errLimits = errors.New("a limit is exceeded")

type options struct {
	length      time.Duration
	rounds      int
	connections int
	json        bool
	dockit      string
	// dockerAuth is a program to measure beside, none if it is empty.
	dockerAuth string
	only       *regexp.Regexp
	// many is how many permissions the largest subject has.
	many int
}

func main() {
	o := options{many: 100_000}
	var only string
	flag.DurationVar(&o.length, "length", time.Second, "how long one case is measured in one round, and each of what it is compared with")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each case is measured, in turns with all others")
	flag.IntVar(&o.connections, "connections", 8, "how many connections ask at once")
	flag.BoolVar(&o.json, "json", false, "write the result as JSON")
	flag.StringVar(&o.dockit, "dockit", "", "the dockit `binary` to measure (default: build it)")
	flag.StringVar(&o.dockerAuth, "docker-auth", "", "the docker_auth `binary` to measure beside, as scripts/get-docker-auth builds it (default: none)")
	flag.StringVar(&only, "only", "", "measure cases whose id matches this `expression`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if o.only, err = regexp.Compile(only); err == nil {
		err = run(ctx, o, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.length <= 0 || o.rounds < 1 || o.connections < 1 {
		return errors.New("-length, -rounds, -connections: give more than 0")
	}
	where, err := cores.Two()
	if err != nil {
		return err
	}
	if where.Server == where.Load {
		say("there is one core: the load takes time from the server, and throughput and latencies say little")
	}
	folder, err := os.MkdirTemp("", "dockit-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.dockit == "" {
		say("building dockit")
		if o.dockit, err = build.Dockit(ctx, folder); err != nil {
			return err
		}
	} else if o.dockit, err = filepath.Abs(o.dockit); err != nil {
		return err
	}
	if o.dockerAuth != "" {
		if o.dockerAuth, err = filepath.Abs(o.dockerAuth); err != nil {
			return err
		}
	}
	s, err := startSite(ctx, o, where, folder)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	r, err := s.measure(ctx)
	if err != nil {
		return err
	}
	if err := r.write(out, o.json); err != nil {
		return err
	}
	if !r.passed() {
		return errLimits
	}
	return nil
}

// say tells somebody who waits what is done, apart from the result.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
