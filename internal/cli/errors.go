package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/printable"
)

// usageError is a command that was called in a wrong way.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// UsageError marks an error as wrong usage, which exits with 2. Nil stays nil.
func UsageError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	return &usageError{err}
}

func usagef(format string, args ...any) error { return UsageError(fmt.Errorf(format, args...)) }

// answer is a result that is told by an exit code. It is no failure, so its
// text stands without "Error:", and may be empty.
type answer struct {
	code int
	text string
}

func (a *answer) Error() string { return a.text }

// databaseError is an error of a database, not of a server of Dockit: its text
// says what to do.
type databaseError struct{ err error }

func (e *databaseError) Error() string { return e.err.Error() }
func (e *databaseError) Unwrap() error { return e.err }

// ExitCode is what a process exits with after err: 0 done, 1 failed or denied,
// 2 wrong usage.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if a, ok := errors.AsType[*answer](err); ok {
		return a.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return 2
	}
	// The root of a tree of commands reports a subcommand that it does not
	// know without a type.
	if strings.HasPrefix(err.Error(), "unknown command ") {
		return 2
	}
	return 1
}

// PrintError tells the user what went wrong when cmd was run.
func PrintError(w io.Writer, cmd *cobra.Command, err error) {
	if err == nil {
		return
	}
	if a, ok := errors.AsType[*answer](err); ok {
		if a.text != "" {
			fmt.Fprintln(w, printable.Text(a.text))
		}
		return
	}
	fmt.Fprintf(w, "Error: %s\n", printable.Text(err.Error()))
	if remedy := remedyOf(err); remedy != "" {
		fmt.Fprintln(w, remedy)
	}
	if ExitCode(err) == 2 && cmd != nil {
		fmt.Fprintf(w, "See '%s --help'.\n", cmd.CommandPath())
	}
}

// remedyOf says what to do about an error whose text cannot know, because it
// comes from far below the flags.
func remedyOf(err error) string {
	if _, ok := errors.AsType[*databaseError](err); ok {
		return ""
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "If an authority of your own signed the server's certificate, name it with --ca-file."
	}
	if isConnectionError(err) {
		return "Is Dockit running there? --base-url or DOCKIT_BASE_URL names the server."
	}
	if errors.Is(err, client.ErrPasswordNeeded) {
		return "Log in with a password instead of a token: --username and --password-stdin, or DOCKIT_USERNAME and DOCKIT_PASSWORD. What docker login stored may be a token as well."
	}
	if errors.Is(err, client.ErrUnauthorized) {
		return "Log in as an admin: with --username and --password-stdin, DOCKIT_USERNAME and DOCKIT_PASSWORD, or docker login."
	}
	return ""
}

// isConnectionError reports whether a server could not be reached. What the
// kernel says about files is a [net.Error] as well, by its methods; and a
// listener that could not be opened is no server that is away.
func isConnectionError(err error) bool {
	found, ok := errors.AsType[net.Error](err)
	if !ok {
		return false
	}
	if _, bare := found.(syscall.Errno); bare {
		return false
	}
	operation, ok := found.(*net.OpError)
	return !ok || operation.Op != "listen"
}

// warnf tells of something beside the result, among it what others wrote.
func warnf(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, printable.Text(fmt.Sprintf(format, args...)))
}

// Execute runs a command with the given arguments, prints the error if there
// is one, and returns the exit code.
func Execute(cmd *cobra.Command, args []string) int {
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	ran, err := cmd.ExecuteContextC(context.Background())
	PrintError(cmd.ErrOrStderr(), ran, err)
	return ExitCode(err)
}
