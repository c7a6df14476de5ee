package cache

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// Connections that have gone silent do not keep a change from counting while the
// database answers on others.
func TestChangeCountsBesideSilentConnections(t *testing.T) {
	for name, silent := range map[string]silentOnce{"marks": {marks: true}, "changes": {changes: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &silentSource{source: newSource("alice"), silent: silent}
				d := New(s, zap.NewNop())
				d.Start()
				defer d.Close()
				f := &fixture{t, d, s.source}
				f.gets("alice", 1)
				f.wait(10 * time.Second)
				s.left.Store(5)
				f.source.elsewhere("alice", false)
				f.wait(2 * time.Second)
				f.gets("alice", 2)
				assert.LessOrEqual(t, s.left.Load(), int32(0), "too few connections were silent")
			})
		})
	}
}

// Who is not in memory is read beside a connection that has gone silent.
func TestReadsBesideASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silentSource{source: newSource("alice"), silent: silentOnce{logins: true}}
		d := New(s, zap.NewNop())
		d.Start()
		defer d.Close()
		s.left.Store(1)
		began := time.Now()
		login, err := d.Login(t.Context(), "alice")
		require.NoError(t, err, "read %v", login)
		assert.Equal(t, "alice", login.Ref.Name, "read %v", login)
		assert.LessOrEqual(t, time.Since(began), time.Second)
	})
}

type silentOnce struct{ marks, changes, logins bool }

// silentSource answers so many of its questions never.
type silentSource struct {
	*source
	silent silentOnce
	left   atomic.Int32
}

func (s *silentSource) Marks(ctx context.Context) (store.Marks, error) {
	if s.silent.marks && s.left.Add(-1) >= 0 {
		<-ctx.Done()
		return store.Marks{}, ctx.Err()
	}
	return s.source.Marks(ctx)
}

func (s *silentSource) Login(ctx context.Context, name string) (store.Login, error) {
	if s.silent.logins && s.left.Add(-1) >= 0 {
		<-ctx.Done()
		return store.Login{}, ctx.Err()
	}
	return s.source.Login(ctx, name)
}

func (s *silentSource) Changes(ctx context.Context, after, upTo store.Marks) ([]store.Change, error) {
	if s.silent.changes && s.left.Add(-1) >= 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.source.Changes(ctx, after, upTo)
}
