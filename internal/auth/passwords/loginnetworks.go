package passwords

import (
	"context"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

const (
	maxNetworksKnown = 10_000
	// unknownFor is short: only the store shows this process that a user logged in
	// at another node.
	unknownFor = time.Minute
	knownFor   = time.Hour
)

// loginNetworks remembers from which networks users logged in.
type loginNetworks struct {
	store       *store.Store
	unavailable func() error
	cache       *lru.Cache[string, networkMark]
}

type networkMark struct {
	known bool
	until time.Time
}

func newLoginNetworks(s *store.Store, unavailable func() error) *loginNetworks {
	cache, err := lru.New[string, networkMark](maxNetworksKnown)
	if err != nil {
		panic(err) // the size is positive
	}
	return &loginNetworks{store: s, unavailable: unavailable, cache: cache}
}

// source returns where an attempt from an address comes from.
func (n *loginNetworks) source(ctx context.Context, address netip.Addr) source {
	if !address.IsValid() {
		return source{customer: "unknown", network: "unknown"}
	}
	network := Network(address)
	return source{known: n.known(ctx, network), customer: customer(address), network: network}
}

func (n *loginNetworks) known(ctx context.Context, network string) bool {
	mark, ok := n.cache.Get(network)
	if ok && time.Now().Before(mark.until) || n.unavailable() != nil {
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

// learn remembers a network that a user has just logged in from.
func (n *loginNetworks) learn(network string) {
	n.cache.Add(network, networkMark{known: true, until: time.Now().Add(knownFor)})
}
