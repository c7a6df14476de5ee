package ciplatform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// programTimeout bounds how long a CI service's program may take.
	programTimeout = 10 * time.Second
	// maxComplaint is how much of what a program says is shown, in bytes.
	maxComplaint = 300
)

// installed reports whether a program is on the PATH.
func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// run runs a program of a CI service and returns what it prints. What it complains
// of is part of the error.
func run(ctx context.Context, program string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	var printed, complained bounded
	printed.most, complained.most = idtoken.MaxSize+room, maxAnswer
	cmd := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // one of two names that stand in this package
	cmd.Stdout, cmd.Stderr = &printed, &complained
	cmd.WaitDelay = time.Second // for what it left running
	err := cmd.Run()
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("run %s: it did not end within %s", program, programTimeout)
	case err != nil:
		return "", fmt.Errorf("run %s: %w%s", program, err, complaint(complained.String()))
	case printed.over:
		return "", fmt.Errorf("run %s: %w: it prints more than %d bytes", program, idtoken.ErrTooLarge, idtoken.MaxSize)
	}
	return printed.String(), nil
}

// tokens are what looks like a JWT.
var tokens = regexp.MustCompile(`ey[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*`)

// complaint is the last line that a program said, without tokens.
func complaint(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := tokens.ReplaceAllString(lines[len(lines)-1], "…")
	if last = printable.Strip(printable.ClipTo(last, maxComplaint)); last == "" {
		return ""
	}
	return ": " + last
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	bytes.Buffer
	most int
	over bool
}

// Write implements [io.Writer]. It takes everything: a program is not to end because
// the caller does not read.
func (b *bounded) Write(p []byte) (int, error) {
	kept := p[:min(len(p), b.most-b.Len())]
	b.over = b.over || len(kept) < len(p)
	b.Buffer.Write(kept)
	return len(p), nil
}
