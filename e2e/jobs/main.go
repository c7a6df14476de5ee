// Command jobs measures what jobs that log in with the token of their issuer have of it: whether a push that is longer than every
// token comes to its end, whether an issuer that is away for a day keeps anybody out, what a flood of tokens with unknown keys
// costs others and the issuer, and what a login costs. `make jobs` runs it.
//
// It ends with exit code 1 when a figure is worse than promised.
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
)

// errWorse is returned when a figure is worse than promised: the report says which.
var errWorse = errors.New("a figure is worse than promised")

type options struct {
	// push is how long each client pushes.
	push time.Duration
	// day is for how long the issuer is away by the clock of the server, and steps how often somebody logs in meanwhile.
	day   time.Duration
	steps int
	// tokens with unknown keys come in, so many per second.
	tokens int
	rate   float64
	// rounds are those of the comparison of costs, and round is how many logins of each kind one has.
	rounds, round int

	only   *regexp.Regexp
	output string
	// programs are those that are run.
	programs programs
}

func main() {
	o := options{only: regexp.MustCompile("")}
	flag.DurationVar(&o.push, "push", 15*time.Minute, "how long each client pushes")
	flag.DurationVar(&o.day, "day", 24*time.Hour, "how long the issuer is away, by the clock of the server")
	flag.IntVar(&o.steps, "steps", 288, "how many jobs log in meanwhile")
	flag.IntVar(&o.tokens, "tokens", 10000, "how many tokens with unknown keys are sent")
	flag.Float64Var(&o.rate, "rate", 200, "how many of them per second")
	flag.IntVar(&o.rounds, "rounds", 20, "how often the costs of logins are compared")
	flag.IntVar(&o.round, "round", 1000, "how many logins of each kind one comparison has")
	flag.Func("only", "measure what fits the regular `expression` alone: push, away, unknown, cost", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	flag.StringVar(&o.output, "o", "table", "how to write the result: table or json")
	flag.StringVar(&o.programs.dockit, "dockit", "", "the dockit `binary` to run (default: build it)")
	flag.StringVar(&o.programs.registry, "registry", "", "the registry's `binary` (default: build it)")
	flag.StringVar(&o.programs.crane, "crane", "", "the crane `binary` (default: build it)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.push <= 0 || o.day <= 0:
		return errors.New("-push and -day: give durations above 0")
	case o.steps < 1 || o.tokens < 1 || o.rounds < 1 || o.round < 1 || o.rate <= 0:
		return errors.New("-steps, -tokens, -rate, -rounds and -round: give numbers above 0")
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("output %q: use table or json", o.output)
	}
	return nil
}

// measurements are what there is to measure, by name.
var measurements = []struct {
	name    string
	measure func(ctx context.Context, o options, folder string) ([]figure, error)
}{
	{"cost", cost},
	{"unknown", unknownKeys},
	{"away", awayForADay},
	{"push", longPushes},
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "dockit-jobs-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.programs.dockit == "" {
		say("building dockit")
		if o.programs.dockit, err = build.Dockit(ctx, folder); err != nil {
			return err
		}
	}
	var r report
	for _, m := range measurements {
		if !o.only.MatchString(m.name) {
			continue
		}
		own := filepath.Join(folder, m.name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		figures, err := m.measure(ctx, o, own)
		r.Figures = append(r.Figures, figures...)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	if r.worse() {
		return errWorse
	}
	return nil
}

// say tells somebody who waits what is done, apart from the result.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// pause waits, or says that the context has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
