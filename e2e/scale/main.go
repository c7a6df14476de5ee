// Command scale measures what Dockit costs with a large database against what it costs with a small one: it fills two
// SQLite databases, runs a real server on each in turn, and prints figures side by side with their ratios. `make scale`
// runs it.
//
// It ends with exit code 1 when the large database costs more than is promised. What it compares was measured in the same
// run on the same machine, so a slow machine changes the figures and not the verdict.
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

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// smallUsers is the size that everything is compared with.
const smallUsers = 1000

// errLimits is returned when a measurement is beyond its limit: the report says which.
var errLimits = errors.New("a limit is exceeded")

type options struct {
	users    int
	rounds   int
	output   string
	dockit   string
	generate string
}

func main() {
	var o options
	flag.IntVar(&o.users, "users", 1_000_000, "how many users the large database has")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each database is measured, in turns")
	flag.StringVar(&o.output, "o", "table", "how to write the result: table or json")
	flag.StringVar(&o.dockit, "dockit", "", "the dockit `binary` to measure (default: build it)")
	flag.StringVar(&o.generate, "generate", "", "fill a database in this new `folder`, keep it, and measure nothing")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	switch {
	case o.users < 2*smallUsers:
		return fmt.Errorf("%d users: give at least %d, twice what they are compared with", o.users, 2*smallUsers)
	case o.rounds < 1:
		return fmt.Errorf("%d rounds: give at least 1", o.rounds)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("output %q: use table or json", o.output)
	}
	folder, err := os.MkdirTemp("", "dockit-scale-")
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
	if o.generate != "" {
		return keep(ctx, o, out)
	}

	small, err := generate(ctx, o.dockit, filepath.Join(folder, "small"), smallUsers)
	if err != nil {
		return err
	}
	large, err := generate(ctx, o.dockit, filepath.Join(folder, "large"), o.users)
	if err != nil {
		return err
	}
	r, err := compare(ctx, o.dockit, small, large, o.rounds)
	if err != nil {
		return err
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	if !r.passed() {
		return errLimits
	}
	return nil
}

// keep fills a database to play with.
func keep(ctx context.Context, o options, out io.Writer) error {
	if _, err := os.Stat(o.generate); err == nil {
		return fmt.Errorf("%s exists: name a folder that does not", o.generate)
	}
	db, err := generate(ctx, o.dockit, o.generate, o.users)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "database:  %s\nusers:     %s … %s, and the admin %s\npassword:  %s\n",
		db.file(), db.userNumbered(0), db.userNumbered(db.users-1), rootUser, rootPassword)
	fmt.Fprintf(out, "tokens:    %s\n           %s\n", db.robots[0], db.people[0])
	return nil
}

// say tells somebody who waits what is done, apart from the result.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
