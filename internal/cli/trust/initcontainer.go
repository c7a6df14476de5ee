package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/printable"
)

// initContainerFlags are those of init-container.
type initContainerFlags struct {
	cli.ConnectionFlags
	service      string
	format       string
	fingerprints []string
	anchors      string
	allowHTTP    bool
	mode         string
	owner        string
	keep         bool
	watch        bool
	interval     time.Duration
	signal       string
	process      string
	exec         string
	quiet        bool
}

const initContainerLong = `Fetch what a registry must trust, check it and write it to a file.

Waits until Dockit answers, up to --timeout. What it answers is checked before the file is
replaced: certificates must parse, be the whole answer, and be valid now, each of them must
be one that Dockit's keys have signed for, and those keys must stand under them. The file is
replaced in one step, so that neither a registry nor a crash ever sees half of it; one that
cannot be renewed stays as it is. Give it to the registry as REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE, or with
--format jwks as REGISTRY_AUTH_TOKEN_JWKS.

With --keep, a good file that is there already is enough when Dockit cannot be reached.

Whoever makes a registry trust another certificate can make tokens for it. So over plain
http to another machine nothing is taken that nobody vouches for:

  - what is in FILE already, or in the file of --anchors, vouches for what comes next:
    Dockit signs it with a key that they stand for, and publishes the certificate authority
    that follows while the one before it is in use
  - with --fingerprint, nothing else is taken than content with that SHA-256, or content of
    which every certificate (or key) was named: this command prints them
  - with --allow-http, whoever answers is believed, whatever is in FILE

With --watch it keeps running beside the registry and rewrites the file when it changes. A
registry reads the file when it starts, so a change can be followed by a signal
(--signal TERM --process registry ends it, for whoever runs it to start it again) or by a
command (--exec, split at spaces and run without a shell). The command has a minute, and
whatever it leaves running in its process group is ended with it.`

// NewInitContainerCommand makes the command init-container.
func NewInitContainerCommand() *cobra.Command {
	f := &initContainerFlags{}
	cmd := &cobra.Command{
		Use:   "init-container FILE",
		Short: "Fetch what a registry must trust, check it and write it to a file",
		Long:  initContainerLong,
		Example: `  dockit init-container /etc/registry/dockit.pem --base-url https://auth.example.com
  dockit init-container /trust/dockit.pem --base-url https://auth.example.com --timeout 5m --keep
  dockit init-container /trust/dockit.pem --base-url http://dockit:4315 --anchors /run/secrets/ca/tls.crt
  dockit init-container /trust/dockit.json --format jwks --service registry.example.com
  dockit init-container /trust/dockit.pem --watch --signal TERM --process registry`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := f.container(cmd, args[0])
			if err != nil {
				return err
			}
			if f.watch {
				return i.runAndWatch(cmd.Context())
			}
			_, err = i.run(cmd.Context())
			return err
		},
	}
	flags := cmd.Flags()
	f.ConnectionFlags.Register(flags, 2*time.Minute, "how long to wait for Dockit in all")
	flags.StringVar(&f.service, "service", "", "`name` of the registry, for one that has a key of its own")
	flags.StringVar(&f.format, "format", "pem", "what the registry reads: pem or jwks")
	flags.StringSliceVar(&f.fingerprints, "fingerprint", nil, "`SHA-256` of what is expected (repeatable)")
	flags.StringVar(&f.anchors, "anchors", "", "`file` with certificates, or a JWK set, that are trusted already: they must vouch for what is fetched")
	flags.BoolVar(&f.allowHTTP, "allow-http", false, "believe whoever answers over plain http from another machine")
	flags.StringVar(&f.mode, "mode", "0644", "permissions of the file, in octal")
	flags.StringVar(&f.owner, "owner", "", "`USER[:GROUP]` to give the file to, by name or number")
	flags.BoolVar(&f.keep, "keep", false, "be content with a good file that is there when Dockit cannot be reached")
	flags.BoolVar(&f.watch, "watch", false, "keep running, and rewrite the file when it changes")
	duration.Var(flags, &f.interval, "interval", 30*time.Second, "how often to look for changes, with --watch")
	flags.StringVar(&f.signal, "signal", "", "`signal` to send on a change, such as HUP or TERM, with --watch")
	flags.StringVar(&f.process, "process", "", "whom to send it to: a process number, a file with one, or the name of a program")
	flags.StringVar(&f.exec, "exec", "", "`command` to run on a change, with --watch")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "write no messages but errors")
	return cmd
}

// initContainer keeps one file as Dockit says.
type initContainer struct {
	path       string
	source     *Source
	pins       pins
	vouching   vouching
	attributes attributes
	timeout    time.Duration
	keep       bool
	interval   time.Duration
	notify     notification

	// stdout gets what was done, stderr what is in the way.
	stdout, stderr io.Writer
}

// container checks the flags.
func (f *initContainerFlags) container(cmd *cobra.Command, path string) (*initContainer, error) {
	i := &initContainer{
		path: path, timeout: f.Timeout, keep: f.keep, interval: f.interval,
		stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
	}
	format, ok := Formats[f.format]
	if !ok {
		return nil, cli.Usagef("format %q: use pem or jwks", printable.Clip(f.format))
	}
	mode, err := strconv.ParseUint(f.mode, 8, 32)
	if err != nil || mode > uint64(fs.ModePerm) {
		return nil, cli.Usagef("mode %q: use an octal number such as 0644", printable.Clip(f.mode))
	}
	i.attributes.mode = fs.FileMode(mode)
	if i.attributes.owner, err = parseOwner(f.owner); err != nil {
		return nil, cli.UsageError(err)
	}
	if i.pins, err = parsePins(f.fingerprints); err != nil {
		return nil, cli.UsageError(err)
	}
	if i.notify, err = parseNotification(f.signal, f.process, f.exec); err != nil {
		return nil, cli.UsageError(err)
	}
	switch {
	case !f.watch && !i.notify.none():
		return nil, cli.Usagef("--signal and --exec are for changes that --watch finds: add it")
	case f.interval < 100*time.Millisecond:
		return nil, cli.Usagef("interval %s: write at least 100ms", f.interval)
	}
	roots, err := f.Roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if i.source, err = NewSource(f.BaseURL, format, f.service, roots, f.Insecure); err != nil {
		return nil, cli.UsageError(err)
	}
	open := cli.AnybodyAnswers(i.source.URL) && len(i.pins) == 0
	if open && f.allowHTTP {
		cli.Warnf(cmd.ErrOrStderr(), "Warning: %s is plain HTTP to another machine: whoever is on the way can make the registry trust certificates of their own (--allow-http)", i.source.URL.Redacted())
	}
	i.vouching = vouching{required: open && !f.allowHTTP || f.anchors != "", file: f.anchors}
	if f.quiet {
		i.stdout, i.stderr = io.Discard, io.Discard
	}
	return i, nil
}

// remember lets a good file that is there vouch for what comes next.
func (i *initContainer) remember() {
	content, err := ReadRegular(i.path)
	if err != nil {
		return
	}
	if _, err := i.source.format.check(content, time.Now()); err == nil {
		i.vouching.known = content
	}
}

// written is what a run has put in place.
type written struct {
	*Trusted
	// replaced is set when there was another file before.
	replaced bool
}

// run waits for Dockit and writes the file.
func (i *initContainer) run(ctx context.Context) (*written, error) {
	if err := checkRegular(i.path); err != nil {
		return nil, err // before waiting for Dockit
	}
	if _, err := os.Stat(filepath.Dir(i.path)); err != nil {
		return nil, fmt.Errorf("folder of %s: %w: make it first", i.path, err)
	}
	i.remember()
	if i.vouching.required {
		// Waiting for an answer that cannot be taken does not help.
		if _, err := i.vouching.anchors(i.source.format); err != nil {
			return nil, fmt.Errorf("%s: %w", i.source.URL.Redacted(), err)
		}
	}
	found, err := await(ctx, i.timeout, i.fetch, func(err error) {
		cli.Warnf(i.stderr, "waiting for %s: %v", i.source.URL.Redacted(), err)
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", i.source.URL.Redacted(), err)
		permanent, ok := errors.AsType[*cli.PermanentError](err)
		if i.keep && (!ok || permanent.Unreachable) && ctx.Err() == nil {
			return i.kept(err)
		}
		return nil, fmt.Errorf("%w: %s is left as it was", err, i.path)
	}
	return i.write(found)
}

// Fetch gets what the registry is to trust, and makes sure that it will accept
// this server's tokens by it.
func (i *initContainer) fetch(ctx context.Context) (*Trusted, error) { return i.fetchNewer(ctx, "") }

func (i *initContainer) fetchNewer(ctx context.Context, tag string) (*Trusted, error) {
	found, err := i.source.fetchNewer(ctx, tag)
	if err != nil || found == nil {
		return nil, err
	}
	if err := i.pins.check(found.Content, i.source.format); err != nil {
		return nil, err
	}
	return found, i.vouch(ctx, found.Content)
}

// kept makes do with the file that is there.
func (i *initContainer) kept(cause error) (*written, error) {
	content, err := ReadRegular(i.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: and there is no %s to keep", cause, i.path)
	}
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	summary, err := i.source.format.check(content, time.Now())
	if err == nil {
		err = i.pins.check(content, i.source.format)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: and %s is not worth keeping: %w", cause, i.path, err)
	}
	cli.Warnf(i.stderr, "Warning: %v: keeping what is there", cause)
	found := &Trusted{Content: content, summary: summary}
	i.vouching.known = content
	i.report("kept", found)
	return &written{found, false}, nil
}

// write puts what was found in place.
func (i *initContainer) write(found *Trusted) (*written, error) {
	_, err := os.Lstat(i.path)
	existed := err == nil
	changed, err := replaceFile(i.path, found.Content, i.attributes)
	if err != nil {
		return nil, err
	}
	i.vouching.known = found.Content
	if changed {
		i.report("wrote", found)
	} else {
		i.report("up to date:", found)
	}
	return &written{found, changed && existed}, nil
}

// report says what the file holds.
func (i *initContainer) report(done string, found *Trusted) {
	cli.Warnf(i.stdout, "%s %s", done, i.path)
	for _, line := range found.summary {
		cli.Warnf(i.stdout, "  %s", line)
	}
	cli.Warnf(i.stdout, "  the whole file: sha256:%s", contentFingerprint(found.Content))
}
