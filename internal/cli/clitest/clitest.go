// Package clitest runs commands in tests.
package clitest

import (
	"bytes"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

// Run executes a command with arguments and nothing on standard input, and
// returns what came of it.
func Run(execute func(*cobra.Command, []string) int, cmd *cobra.Command, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetIn(bytes.NewReader(nil))
	code = execute(cmd, args)
	return code, out.String(), errs.String()
}

// Answers makes a handler that answers every request alike.
func Answers(status int, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, content)
	}
}
