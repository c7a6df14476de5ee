package auth

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

// source is where an attempt comes from. What is scarce is shared out by it,
// and never by a name, or it would show who exists.
type source struct {
	// known is a network that anybody logged in from before.
	known bool
	// customer is the address prefix that one customer has at most, as a rule,
	// and network the one by which guesses are counted.
	customer, network string
}

// class stands for all sources that are known, or all that are not.
func (s source) class() source { return source{known: s.known} }

// ofCustomer stands for all sources of one customer.
func (s source) ofCustomer() source { return source{known: s.known, customer: s.customer} }

// path is the way to the source from the root of a [queue].
func (s source) path() []string {
	class := "others"
	if s.known {
		class = "known"
	}
	return []string{class, s.customer, s.network}
}

const (
	maxNetworksKnown = 10_000
	// Nothing else tells this process that somebody logged in at another node.
	unknownFor = time.Minute
	knownFor   = time.Hour
)

// networks remembers from which networks anybody logged in.
type networks struct {
	store *store.Store
	away  func() error
	cache *lru.Cache[string, networkMark]
}

type networkMark struct {
	known bool
	until time.Time
}

func newNetworks(s *store.Store, away func() error) *networks {
	cache, err := lru.New[string, networkMark](maxNetworksKnown)
	if err != nil {
		panic(err) // the size is positive
	}
	return &networks{store: s, away: away, cache: cache}
}

// source returns where an attempt of an origin comes from.
func (n *networks) source(ctx context.Context, o Origin) source {
	if !o.Address.IsValid() {
		return source{customer: "unknown", network: "unknown"}
	}
	network := o.network()
	return source{known: n.known(ctx, network), customer: o.customer(), network: network}
}

func (n *networks) known(ctx context.Context, network string) bool {
	mark, ok := n.cache.Get(network)
	if ok && time.Now().Before(mark.until) || n.away() != nil {
		return mark.known
	}
	const timeout = time.Second
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	known, err := n.store.IsLoginNetwork(asking, network)
	switch {
	case err != nil:
		return mark.known
	case known:
		n.learn(network)
	default:
		n.cache.Add(network, networkMark{until: time.Now().Add(unknownFor)})
	}
	return known
}

// learn is told of a network that somebody has just logged in from.
func (n *networks) learn(network string) {
	n.cache.Add(network, networkMark{known: true, until: time.Now().Add(knownFor)})
}
