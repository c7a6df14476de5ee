// Command demo shows what Dockit does: it runs Dockit and a real registry in a new folder, manages users and
// permissions by the command line, pushes and pulls images, as people and as a CI job, and replaces the key that signs.
// `make demo` runs it.
//
// With ONCE=1 in the environment it ends by itself, with exit code 0 if everything went as expected and 1 if not.
// Otherwise the servers stay up until Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("ONCE") != "", os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// run tells the whole story and cleans up after it.
func run(ctx context.Context, once bool, out io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "dockit-demo-")
	if err != nil {
		return err
	}
	d := &demo{shell: newShell(folder, out)}
	defer func() {
		if err != nil {
			d.shell.showServers(os.Stderr)
		}
		if d.gitlab != nil {
			err = errors.Join(err, d.gitlab.Close())
		}
		err = errors.Join(err, d.shell.stop(), os.RemoveAll(folder))
	}()

	for _, chapter := range []func(context.Context) error{
		d.build, d.startDockit, d.startRegistry, d.manage, d.memberPushes, d.readerPulls, d.anonymous, d.jobPushes, d.keyChanges,
	} {
		if err := chapter(ctx); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return err
		}
	}
	d.end()
	if once {
		return nil
	}
	d.invite()
	return d.shell.wait(ctx)
}
