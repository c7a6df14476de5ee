package auth

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestWithObserver(t *testing.T) {
	logger := zaptest.NewLogger(t)
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}, logger)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	hash, err := password.Hash("correct-horse-battery")
	require.NoError(t, err)
	alice := subject.Ref{Kind: subject.User, Name: "alice"}
	_, err = s.CreateSubject(t.Context(), store.NewSubject{Ref: alice, PasswordHash: hash})
	require.NoError(t, err)
	d := cache.New(s, logger)
	t.Cleanup(d.Close)
	a := New(s, d, logger)
	var seen []subject.Ref
	ctx := WithObserver(t.Context(), func(p Principal) { seen = append(seen, p.Ref) })
	_, err = a.Authenticate(ctx, "alice", "wrong")
	require.Error(t, err, "a wrong password was accepted")
	_, err = a.Authenticate(ctx, "alice", "correct-horse-battery")
	require.NoError(t, err)
	require.Equal(t, []subject.Ref{alice}, seen, "observed, want alice once")
}
