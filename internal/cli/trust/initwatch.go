package trust

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dockit-registry/dockit/internal/cli"
)

// runAndWatch writes the file and keeps it as Dockit says until a signal
// stops it.
func (i *initContainer) runAndWatch(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	current, err := i.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	w := &watch{initContainer: i, present: current.Trusted, owed: current.replaced, problems: map[string]string{}}
	cli.Warnf(i.stdout, "watching %s every %s", i.source.URL.Redacted(), i.interval)
	ticker := time.NewTicker(i.interval)
	defer ticker.Stop()
	for {
		w.notifyOwed(ctx)
		select {
		case <-ticker.C:
			w.tell("looking for changes", w.look(ctx))
		case <-ctx.Done():
			return nil
		}
	}
}

// watch follows one file.
type watch struct {
	*initContainer
	present *Trusted
	// owed is set while the registry is to be notified of a change.
	owed bool
	// problems are the last ones that were reported, by what failed.
	problems map[string]string
}

// look rewrites the file if Dockit has something new, or if another process
// has changed it.
func (w *watch) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	newer, err := w.fetchNewer(ctx, w.present.tag)
	if err != nil {
		return fmt.Errorf("%s: %w: %s is left as it was", w.source.URL.Redacted(), err, w.path)
	}
	if newer == nil {
		newer = w.present
	}
	changed, err := replaceFile(w.path, newer.Content, w.attributes)
	if err != nil {
		return err
	}
	w.present, w.vouching.known = newer, newer.Content
	if changed {
		w.report("wrote", newer)
		w.owed = true
	}
	return nil
}

// notifyOwed notifies the registry of a change; what fails is tried again.
func (w *watch) notifyOwed(ctx context.Context) {
	if !w.owed || w.notify.none() {
		return
	}
	err := w.notify.send(ctx, w.stdout, w.stderr)
	if ctx.Err() != nil {
		return
	}
	w.tell("telling of a change", err)
	if err == nil {
		w.owed = false
		fmt.Fprintln(w.stdout, w.notify)
	}
}

// tell says what is wrong once, and when it is over.
func (w *watch) tell(what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == w.problems[what] {
		return
	}
	w.problems[what] = text
	if err != nil {
		cli.Warnf(w.stderr, "%s failed: %v", what, err)
	} else {
		cli.Warnf(w.stderr, "%s works again", what)
	}
}
