package e2e

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// testCrane uses a registry by the crane program, as a person does: login, push, pull, logout.
func testCrane(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")

	home := t.TempDir()
	ref := s.registry.Host + "/" + repo + ":latest"
	file := filepath.Join(home, "image.tar")
	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	require.NoError(t, tarball.WriteToFile(file, tag, newImage(t)))

	crane := func(stdin string, args ...string) error {
		return runProgram(t.Context(), home, stdin, built(t, buildCrane), args...)
	}
	require.Error(t, crane("", "push", file, ref))
	require.NoError(t, crane(alice.password, "auth", "login", s.registry.Host, "--username", alice.username, "--password-stdin"))
	require.NoError(t, crane("", "push", file, ref))
	require.NoError(t, crane("", "pull", ref, filepath.Join(home, "pulled.tar")))
	require.NoError(t, crane("", "copy", ref, s.registry.Host+"/"+repo+":copy"))
	require.Error(t, crane("", "copy", ref, s.registry.Host+"/"+repo+"-other:copy"))

	require.NoError(t, crane("", "auth", "logout", s.registry.Host))
	require.Error(t, crane("", "pull", ref, filepath.Join(home, "pulled.tar")))
}

// runProgram runs a program to its end with its own home folder.
func runProgram(ctx context.Context, home, stdin, path string, args ...string) error {
	return dockit.RunProgram(ctx, home, stdin, path, args...)
}
