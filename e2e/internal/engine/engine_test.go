package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEngineThatCannotStart has an engine that ends as in a container without privileges: the reason is what it said last, for
// the tests that are skipped with it.
func TestEngineThatCannotStart(t *testing.T) {
	for ending, reason := range map[string]string{
		"Devices cgroup isn't mounted":             "Devices cgroup isn't mounted",
		"panic: no cgroup root\n\ngoroutine 1:\nx": "panic: no cgroup root",
	} {
		dockerd := filepath.Join(t.TempDir(), "dockerd")
		require.NoError(t, os.WriteFile(dockerd, []byte("#!/bin/sh\ncat >&2 <<'.'\nstarting\n"+ending+"\n.\nexit 1\n"), 0o700))
		_, err := Start(t.Context(), dockerd, filepath.Join(t.TempDir(), "docker"))
		require.EqualError(t, err, "it ended: "+reason)
	}
}
