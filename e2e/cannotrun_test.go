package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEngineThatCannotStart has an engine that ends as in a container without privileges: the tests that need it are
// skipped with the reason, and fail in CI.
func TestEngineThatCannotStart(t *testing.T) {
	for ending, reason := range map[string]string{
		"Devices cgroup isn't mounted":             "Devices cgroup isn't mounted",
		"panic: no cgroup root\n\ngoroutine 1:\nx": "panic: no cgroup root",
	} {
		dockerd := filepath.Join(t.TempDir(), "dockerd")
		require.NoError(t, os.WriteFile(dockerd, []byte("#!/bin/sh\ncat >&2 <<'.'\nstarting\n"+ending+"\n.\nexit 1\n"), 0o700))
		_, err := runEngine(t, dockerd, filepath.Join(t.TempDir(), "docker"))
		require.EqualError(t, err, "it ended: "+reason)
	}
}

// TestCannotRun checks that what a machine cannot run passes nowhere unseen.
func TestCannotRun(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped: no engine", "true": "failed: no engine"} {
		t.Setenv("CI", ci)
		r := &recorder{TB: t}
		cannotRun(r, errors.New("no engine"))
		require.Equal(t, want, r.ended[0], "CI=%s", ci)
	}
}

// recorder notes how a test is ended instead of ending it.
type recorder struct {
	testing.TB
	ended []string
}

func (r *recorder) Fatal(args ...any) { r.ended = append(r.ended, "failed: "+fmt.Sprint(args...)) }
func (r *recorder) Skip(args ...any)  { r.ended = append(r.ended, "skipped: "+fmt.Sprint(args...)) }
