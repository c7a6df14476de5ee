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

// WrongUsage is a command that was called in a wrong way.
type WrongUsage struct{ Err error }

func (e *WrongUsage) Error() string { return e.Err.Error() }
func (e *WrongUsage) Unwrap() error { return e.Err }

// UsageError marks an error as wrong usage, which exits with 2. Nil stays nil.
func UsageError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*WrongUsage](err); ok {
		return err
	}
	return &WrongUsage{err}
}

// Usagef makes an error that is wrong usage.
func Usagef(format string, args ...any) error { return UsageError(fmt.Errorf(format, args...)) }

// Answer is a result that an exit code says. It is no failure, so its
// Text stands without "Error:", and may be empty.
type Answer struct {
	Code int
	Text string
}

func (a *Answer) Error() string { return a.Text }

// ExitCode is what a process exits with after err: 0 done, 1 failed or denied,
// 2 wrong usage.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if a, ok := errors.AsType[*Answer](err); ok {
		return a.Code
	}
	if _, ok := errors.AsType[*WrongUsage](err); ok {
		return 2
	}
	// The root of a tree of commands reports a subcommand that it does not
	// know without a type.
	if strings.HasPrefix(err.Error(), "unknown command ") {
		return 2
	}
	return 1
}

// PrintError says to the user what went wrong when cmd was run.
func PrintError(w io.Writer, cmd *cobra.Command, err error) {
	if err == nil {
		return
	}
	if a, ok := errors.AsType[*Answer](err); ok {
		if a.Text != "" {
			fmt.Fprintln(w, printable.Text(a.Text))
		}
		return
	}
	fmt.Fprintf(w, "Error: %s\n", printable.Text(err.Error()))
	if hint := hintOf(cmd, err); hint != "" {
		fmt.Fprintln(w, hint)
	}
	if ExitCode(err) == 2 && cmd != nil {
		fmt.Fprintf(w, "See '%s --help'.\n", cmd.CommandPath())
	}
}

// hintOf says what to do about an error whose text cannot know, because it
// comes from far below the flags. Only commands that speak to a server of Dockit
// have these: what a database cannot be reached by, its error says.
func hintOf(cmd *cobra.Command, err error) string {
	if cmd == nil || cmd.Flag("base-url") == nil {
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

// Warnf reports something beside the result, among it what others wrote.
func Warnf(w io.Writer, format string, args ...any) {
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

// Visible keeps what a token says from steering the terminal. Any client
// can write a token.
func Visible(s string) string {
	return printable.Line(printable.Clip(s))
}
