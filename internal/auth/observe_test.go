package auth

import (
	"path/filepath"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestWithObserver(t *testing.T) {
	logger := zaptest.NewLogger(t)
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	hash, err := password.Hash("correct-horse-battery")
	if err != nil {
		t.Fatal(err)
	}
	alice := subject.Ref{Kind: subject.User, Name: "alice"}
	if _, err := s.CreateSubject(t.Context(), store.NewSubject{Ref: alice, PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	d := cache.New(s, logger)
	t.Cleanup(d.Close)
	a := New(s, d, logger)
	var seen []subject.Ref
	ctx := WithObserver(t.Context(), func(p Principal) { seen = append(seen, p.Ref) })
	if _, err := a.Authenticate(ctx, "alice", "wrong"); err == nil {
		t.Fatal("a wrong password was accepted")
	}
	if _, err := a.Authenticate(ctx, "alice", "correct-horse-battery"); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0] != alice {
		t.Fatalf("observed %v, want alice once", seen)
	}
}
