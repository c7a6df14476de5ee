package registryview

import (
	"context"
	"sync"
)

// turns lets so many at a time do something that may take long, and of each viewer fewer:
// a viewer who asks for much waits behind what they asked for, and others do not.
type turns struct {
	places chan struct{}
	// each is how many of them one viewer may have.
	each int

	mu sync.Mutex
	// own are the viewers who have a turn or wait for one.
	own map[string]*ownTurns
}

// ownTurns are those of one viewer.
type ownTurns struct {
	places chan struct{}
	// wanted is how many have one or wait for it.
	wanted int
}

func newTurns(atOnce, each int) *turns {
	return &turns{places: make(chan struct{}, atOnce), each: each, own: make(map[string]*ownTurns)}
}

// take waits for the turn of a viewer, which done ends. Errors: that of ctx.
func (t *turns) take(ctx context.Context, viewer string) (done func(), err error) {
	own := t.want(viewer)
	select {
	case own.places <- struct{}{}:
	case <-ctx.Done():
		t.unwant(viewer, own)
		return nil, ctx.Err()
	}
	select {
	case t.places <- struct{}{}:
	case <-ctx.Done():
		<-own.places
		t.unwant(viewer, own)
		return nil, ctx.Err()
	}
	return func() {
		<-t.places
		<-own.places
		t.unwant(viewer, own)
	}, nil
}

func (t *turns) want(viewer string) *ownTurns {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.own[viewer]
	if own == nil {
		own = &ownTurns{places: make(chan struct{}, t.each)}
		t.own[viewer] = own
	}
	own.wanted++
	return own
}

// unwant forgets a viewer of whom nothing is left.
func (t *turns) unwant(viewer string, own *ownTurns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.wanted--; own.wanted == 0 {
		delete(t.own, viewer)
	}
}
