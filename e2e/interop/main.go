// Command interop tries what people do with registries, by the clients that they have, at the registries that there are behind
// Dockit. `make interop` runs it, and writes docs/interoperability.md.
//
// It ends with exit code 1 when something fails that is not known to be the client's own fault.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

type options struct {
	// clients, operations and sites are those whose id fits.
	clients, operations, sites *regexp.Regexp
	// parallel is how many clients are tried at once.
	parallel int
	// messages says whether to collect what clients say.
	messages bool
	// requests says whether to record what clients send for tokens.
	requests bool
	// layer is the size of the one that is measured, in MiB. 0: none.
	layer int64
	// keep is a file of cells, which a run that was interrupted goes on with.
	keep string
	// render tries nothing, and writes the page of what was kept.
	render bool
	// file is where the page goes, beside standard output.
	file string
}

func main() {
	everything := regexp.MustCompile("")
	o := options{clients: everything, operations: everything, sites: everything}
	expression := func(into **regexp.Regexp) func(string) error {
		return func(s string) (err error) {
			*into, err = regexp.Compile(s)
			return err
		}
	}
	flag.Func("clients", "run clients whose name fits the regular `expression` alone", expression(&o.clients))
	flag.Func("operations", "try operations whose id fits the regular `expression` alone", expression(&o.operations))
	flag.Func("sites", "try registries whose id fits the regular `expression` alone", expression(&o.sites))
	flag.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "how many clients to try at once")
	flag.BoolVar(&o.messages, "messages", true, "collect what clients say when they are refused")
	flag.BoolVar(&o.requests, "requests", true, "record what clients send to the token endpoint")
	flag.Int64Var(&o.layer, "layer", 0, "measure a layer of so many `MiB` on its way through Dockit, beside nothing else that the machine does")
	flag.StringVar(&o.keep, "keep", "", "a `file` to keep results in, which the next run goes on with but for what failed")
	flag.BoolVar(&o.render, "render", false, "try nothing, and write what was kept")
	flag.StringVar(&o.file, "write", "", "the `file` to write the page to, beside standard output")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.parallel < 1 {
		return errors.New("-parallel: give a number above 0")
	}
	folder, err := os.MkdirTemp("", "dockit-interop-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	bin, err := os.MkdirTemp(folder, "bin-")
	if err != nil {
		return err
	}
	wanted := o.clients.MatchString
	if o.layer > 0 {
		wanted = func(string) bool { return false } // none is run
	}
	p, err := find(ctx, bin, wanted)
	if err != nil {
		return err
	}
	p.short = folder
	if o.layer > 0 {
		return o.measure(ctx, p, folder, out)
	}
	r := &report{programs: p, matrix: o.matrix(p)}
	if o.keep != "" {
		if err := r.load(o.keep); err != nil {
			return fmt.Errorf("read the results of a run before: %w", err)
		}
	}
	if !o.render {
		if err := o.try(ctx, r, folder); err != nil {
			return errors.Join(err, r.save(o.keep))
		}
	}
	if err := r.write(out); err != nil {
		return err
	}
	if o.file != "" {
		if err := r.writeFile(o.file); err != nil {
			return err
		}
	}
	if failures := r.matrix.failures(); len(failures) > 0 {
		return fmt.Errorf("%d failed:\n%s", len(failures), strings.Join(failures, "\n"))
	}
	return nil
}

// try tries everything that no run before has.
func (o options) try(ctx context.Context, r *report, folder string) error {
	save := func() error { return r.save(o.keep) }
	if err := r.matrix.run(ctx, r.programs, folder, o.parallel, save); err != nil {
		return err
	}
	if o.messages && !r.said.complete(r.matrix.clients) {
		said, err := listen(ctx, r.matrix.clients, r.programs, folder, r.said)
		if err != nil {
			return err
		}
		r.said = said
	}
	if o.requests && !r.sent.complete(r.matrix.clients) {
		sent, err := record(ctx, r.matrix.clients, r.programs, folder, r.sent)
		if err != nil {
			return err
		}
		r.sent = sent
	}
	return save()
}

// measure prints what a layer does on its way through Dockit.
func (o options) measure(ctx context.Context, p programs, folder string, out io.Writer) error {
	t, err := measure(ctx, p, folder, o.layer<<20, 3)
	if err != nil {
		return err
	}
	t.write(out)
	if failures := t.failures(); len(failures) > 0 {
		return errors.New(strings.Join(failures, "\n"))
	}
	return nil
}

// matrix is what the options leave of everything.
func (o options) matrix(p programs) *matrix {
	var clients []*client
	for _, c := range p.clients() {
		if o.clients.MatchString(c.id) {
			clients = append(clients, c)
		}
	}
	var chosen []operation
	for _, operation := range operations {
		if o.operations.MatchString(operation.id) {
			chosen = append(chosen, operation)
		}
	}
	var kinds []*siteKind
	for _, kind := range siteKinds(p) {
		if o.sites.MatchString(kind.id) {
			kinds = append(kinds, kind)
		}
	}
	return newMatrix(clients, chosen, kinds)
}

// writeFile writes the page, whole or not at all.
func (r *report) writeFile(path string) error {
	root, err := build.Root()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/") {
		path = root + "/" + path
	}
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(r.write(file), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
