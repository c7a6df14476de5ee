package issuerkeys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/jwkset"
)

// world is a store that nodes share, and an issuer that they ask.
type world struct {
	mu      sync.Mutex
	issuers map[int64]*Known
	err     error // of every write

	fetches atomic.Int64
	answers func(ctx context.Context) error // nil: at once, rightly
}

func newWorld(issuers ...Known) *world {
	w := &world{issuers: make(map[int64]*Known)}
	for _, k := range issuers {
		w.issuers[k.ID] = &k
	}
	return w
}

func issuer(id int64) Known {
	name := fmt.Sprint("idp", id)
	return Known{ID: id, Issuer: federation.Issuer{Name: name, URL: "https://" + name + ".example.com", Kind: federation.Generic}}
}

func (w *world) node() *Refresher {
	return New(Options{Store: w, List: w.list, Fetch: w.fetch, Now: time.Now})
}

func (w *world) list(context.Context) ([]Known, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Known
	for _, k := range w.issuers {
		all = append(all, *k)
	}
	return all, nil
}

func (w *world) known(id int64) Known {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.issuers[id]
}

func (w *world) fetch(ctx context.Context, i federation.Issuer) (federation.Keys, jwkset.Set, error) {
	w.fetches.Add(1)
	if w.answers != nil {
		if err := w.answers(ctx); err != nil {
			return federation.Keys{}, jwkset.Set{}, err
		}
	}
	return federation.Keys{JWKS: []byte(`{"keys":[]}`), Source: i.KeySource(), FetchedAt: time.Now()}, jwkset.Set{}, nil
}

func (w *world) ClaimIssuerFetch(_ context.Context, id int64, since time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return false, w.err
	}
	if w.issuers[id].AskedAt.After(since) {
		return false, nil
	}
	w.issuers[id].AskedAt = time.Now()
	return true, nil
}

func (w *world) PutIssuerKeys(_ context.Context, id int64, keys federation.Keys) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.issuers[id].Keys, w.issuers[id].Away = keys, false
	return nil
}

func (w *world) PutIssuerAway(_ context.Context, id int64, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.issuers[id].Away = true
	return w.err
}

// run lets nodes run for a time.
func run(t *testing.T, during time.Duration, nodes ...*Refresher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() { n.Run(ctx) })
	}
	time.Sleep(during)
	cancel()
	all.Wait()
}

func TestNodesAskEveryFewMinutesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		run(t, time.Hour, w.node(), w.node(), w.node())
		assert.InDelta(t, 12, w.fetches.Load(), 1, "three nodes ask as often as one")
		assert.NotEmpty(t, w.known(1).Keys.JWKS)
	})
}

func TestWhoIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disabled, given, fresh := issuer(1), issuer(2), issuer(3)
		disabled.Disabled = true
		given.JWKS = `{"keys":[{}]}`
		fresh.Keys = federation.Keys{JWKS: []byte("x"), Source: fresh.KeySource()}
		fresh.AskedAt = time.Now()
		w := newWorld(disabled, given, fresh)
		node := w.node()
		run(t, 4*time.Minute, node)
		assert.Zero(t, w.fetches.Load())
		assert.False(t, node.Look(t.Context(), disabled))
		assert.False(t, node.Look(t.Context(), given))
		assert.Zero(t, w.fetches.Load())
	})
}

func TestKeysOfAnotherSourceAreFetchedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := issuer(1)
		changed.Keys = federation.Keys{JWKS: []byte("x"), Source: "of other settings"}
		w := newWorld(changed)
		run(t, time.Second, w.node())
		assert.Equal(t, int64(1), w.fetches.Load())
		assert.Equal(t, changed.KeySource(), w.known(1).Keys.Source)
	})
}

func TestIssuerThatIsAwayIsAskedOnceAMinuteAndItsKeysStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		node := w.node()
		run(t, time.Minute, node)
		keys := w.known(1).Keys
		require.NotEmpty(t, keys.JWKS)
		before := w.fetches.Load()
		w.answers = func(context.Context) error { return errors.New("no route to host") }
		run(t, 24*time.Hour, node)
		assert.Equal(t, keys, w.known(1).Keys)
		assert.True(t, w.known(1).Away)
		assert.LessOrEqual(t, w.fetches.Load()-before, int64(24*60))
		assert.Greater(t, w.fetches.Load()-before, int64(12*60))
		w.answers = nil
		run(t, 2*time.Minute, node)
		assert.False(t, w.known(1).Away, "it is found to be back within two minutes")
	})
}

func TestTenThousandUnknownKeysAreOneQuestionAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1), issuer(2))
		nodes := []*Refresher{w.node(), w.node()}
		w.answers = func(context.Context) error { time.Sleep(time.Second); return nil }
		var all sync.WaitGroup
		for n := range 10_000 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 18 * time.Millisecond) // for three minutes
				nodes[n%2].Look(t.Context(), w.known(1))
			})
		}
		began := time.Now()
		for !nodes[0].Look(t.Context(), w.known(2)) { // nobody waits because of another issuer
			t.Fatal("the issuer answers")
		}
		assert.LessOrEqual(t, time.Since(began), 2*time.Second)
		all.Wait()
		assert.LessOrEqual(t, w.fetches.Load()-1, int64(3))
		assert.GreaterOrEqual(t, w.fetches.Load()-1, int64(2))
	})
}

func TestWhoComesMeanwhileWaitsForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		w.answers = func(context.Context) error { time.Sleep(3 * time.Second); return nil }
		node := w.node()
		var found atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if node.Look(t.Context(), w.known(1)) {
					found.Add(1)
				}
			})
		}
		all.Wait()
		assert.Equal(t, int64(100), found.Load())
		assert.Equal(t, int64(1), w.fetches.Load())
		assert.False(t, node.Look(t.Context(), w.known(1)), "a moment later nobody is asked")
		time.Sleep(MinInterval)
		assert.True(t, node.Look(t.Context(), w.known(1)))
	})
}

func TestWhoeverAskedMayGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		w.answers = func(context.Context) error { time.Sleep(3 * time.Second); return nil }
		node := w.node()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { assert.False(t, node.Look(ctx, w.known(1))) })
		time.Sleep(500 * time.Millisecond)
		assert.True(t, node.Look(t.Context(), w.known(1)), "the others get the answer")
		all.Wait()
	})
}

func TestAnotherNodeThatAskedIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		one, other := w.node(), w.node()
		require.True(t, one.Look(t.Context(), w.known(1)))
		time.Sleep(50 * time.Second)
		assert.False(t, other.Look(t.Context(), w.known(1)))
		time.Sleep(11 * time.Second)
		assert.True(t, other.Look(t.Context(), w.known(1)), "it waits for the minute of the other, not for one of its own")
	})
}

func TestDatabaseThatIsAwayStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		w.err = errors.New("read-only")
		node := w.node()
		assert.False(t, node.Look(t.Context(), w.known(1)))
		run(t, 10*time.Minute, node)
		assert.Zero(t, w.fetches.Load(), "what cannot be kept is not fetched")
		w.err = nil
		run(t, 2*time.Minute, node)
		assert.Equal(t, int64(1), w.fetches.Load())
	})
}

func TestCloseEndsWhatIsBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		w.answers = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		node := w.node()
		var all sync.WaitGroup
		all.Go(func() { assert.False(t, node.Look(t.Context(), w.known(1))) })
		synctest.Wait()
		began := time.Now()
		node.Close()
		assert.Zero(t, time.Since(began))
		all.Wait()
		time.Sleep(time.Hour)
		assert.False(t, node.Look(t.Context(), w.known(1)))
		assert.Equal(t, int64(1), w.fetches.Load())
	})
}

func TestRefreshAsksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(issuer(1))
		node := w.node()
		for range 3 {
			require.NoError(t, node.Refresh(t.Context(), w.known(1)))
		}
		assert.Equal(t, int64(3), w.fetches.Load())
		w.answers = func(context.Context) error { return ErrAnswer }
		require.ErrorIs(t, node.Refresh(t.Context(), w.known(1)), ErrAnswer)
		assert.True(t, w.known(1).Away)
	})
}
