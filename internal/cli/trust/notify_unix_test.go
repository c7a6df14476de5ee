//go:build unix

package trust

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commandThat runs on a change, by a shell.
func commandThat(script string, timeout time.Duration) notification {
	return notification{command: []string{"sh", "-c", script}, timeout: timeout, grace: timeout / 4}
}

// Whatever a command prints and leaves behind, the watcher goes on.
func TestNotificationEnds(t *testing.T) {
	const soon, never = 2 * time.Second, time.Minute
	for name, test := range map[string]struct {
		script  string
		timeout time.Duration
		err     string
	}{
		"nothing left":                      {"exit 0", never, ""},
		"a child left":                      {"sleep 600 & exit 0", never, ""},
		"a child left that is not to stop":  {"trap '' TERM HUP; sleep 600 & exit 0", never, ""},
		"a child left after a failure":      {"sleep 600 & exit 3", never, "exit status 3"},
		"too slow":                          {"sleep 600", soon, "did not end within 1.5s"},
		"too slow, with a child":            {"sleep 600 & sleep 600", soon, "did not end within 1.5s"},
		"too slow, and not to stop":         {"trap '' TERM; while :; do sleep 600; done", soon, "did not end within 1.5s"},
		"prints without end":                {"while :; do echo more; done", soon, "did not end within 1.5s"},
		"a child left prints without end":   {"while :; do echo more; done & exit 0", never, ""},
		"closes its output, but stays":      {"exec >&- 2>&-; sleep 600", soon, "did not end within 1.5s"},
		"a child that closed its output":    {"sleep 600 >/dev/null 2>&1 & exit 0", never, ""},
		"leaves a child, then is too slow":  {"(trap '' TERM; sleep 600) & while :; do sleep 1; done", soon, "did not end within 1.5s"},
		"a program that does not exist":     {"exec /no/such/program", never, "exit status 127"},
		"ends in time when it is asked to":  {"trap 'exit 0' TERM; sleep 600 & wait", soon, "did not end within 1.5s"},
		"many children":                     {"for i in 1 2 3 4 5; do sleep 600 & done; exit 0", never, ""},
		"output held open by a grandchild":  {"(sleep 600 & exit 0); exit 0", never, ""},
		"a child that reads standard input": {"cat & exit 0", never, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			err := commandThat(test.script, test.timeout).send(t.Context(), io.Discard, io.Discard)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.err)
			}
			assert.Less(t, time.Since(start), never/4)
		})
	}
}

func TestNotificationEndsWhatTheCommandLeaves(t *testing.T) {
	held, output, err := os.Pipe()
	require.NoError(t, err)
	defer held.Close()
	var told bytes.Buffer
	n := commandThat("trap '' TERM HUP; sleep 600 2>/dev/null & echo started", time.Minute)
	require.NoError(t, n.send(t.Context(), output, &told))
	require.NoError(t, output.Close())
	require.NoError(t, held.SetReadDeadline(time.Now().Add(30*time.Second)))
	all, err := io.ReadAll(held)
	require.NoError(t, err, "the child still holds its output open")
	assert.Equal(t, "started\n", string(all))
	assert.Contains(t, told.String(), "Warning: ended what sh left running")
}

// Output that is no file is read over a pipe, which a child can hold open.
func TestNotificationDoesNotWaitForOutput(t *testing.T) {
	var printed bytes.Buffer
	n := commandThat("echo started; setsid sleep 20 & exit 0", 4*time.Second)
	start := time.Now()
	require.NoError(t, n.send(t.Context(), &printed, io.Discard))
	assert.Less(t, time.Since(start), 15*time.Second)
	assert.Equal(t, "started\n", printed.String())
}

func TestNotificationStopsWithTheWatcher(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	started, output, err := os.Pipe()
	require.NoError(t, err)
	defer started.Close()
	defer output.Close()
	go func() {
		_, _ = started.Read(make([]byte, 1))
		stop()
	}()
	n := commandThat("echo started; sleep 600 & sleep 600", time.Minute)
	start := time.Now()
	require.Error(t, n.send(ctx, output, io.Discard))
	assert.Less(t, time.Since(start), 30*time.Second)
}
