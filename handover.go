package dockit

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/connections"
)

// handovers are those of the configurations that are there, by their HTTP app.
var handovers sync.Map

// handoverOf finds the one whose servers listen with this context, or nil.
func handoverOf(ctx context.Context) *connections.Handover {
	whole, ok := ctx.(caddy.Context)
	if !ok {
		return nil
	}
	app := httpAppOf(whole)
	if app == nil {
		return nil
	}
	found, _ := handovers.Load(app)
	h, _ := found.(*connections.Handover)
	return h
}

// keepListeners makes the sockets of all HTTP servers of a configuration outlive
// it. A shutdown_delay needs Caddy's own count of who listens where: with it,
// everything stays as Caddy does it.
func keepListeners(ctx caddy.Context, app *caddyhttp.App) error {
	if app.ShutdownDelay > 0 {
		return nil
	}
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	h := connections.NewHandover()
	handOver := onEvent(func() {
		if !caddy.Exiting() {
			h.HandOver()
		}
	})
	if err := events.(*caddyevents.App).On("stopping", handOver); err != nil {
		return err
	}
	handovers.Store(app, h)
	for _, server := range app.Servers {
		for i, address := range server.Listen {
			// Caddy replaces placeholders in those of a server that comes later.
			if address, err := caddy.NewReplacer().ReplaceOrErr(address, true, true); err == nil {
				server.Listen[i] = keptAddress(address, len(server.TLSConnPolicies) > 0)
			}
		}
		server.RegisterConnContext(h.Accepted)
		server.RegisterConnState(h.Follow)
	}
	return nil
}

// keptPrefix stands before the networks whose sockets outlive a reload.
const keptPrefix = "dockit-"

// keptNetworks are those that have such a network beside them, each with what
// Caddy serves HTTP/3 on there; nothing where it does not.
var keptNetworks = map[string]string{"tcp": "udp", "tcp4": "udp4", "tcp6": "udp6", "fd": "fdgram", "unix": ""}

func init() {
	for network, datagrams := range keptNetworks {
		caddy.RegisterNetwork(keptPrefix+network, listenKept)
		if datagrams != "" {
			caddyhttp.RegisterNetworkHTTP3(keptPrefix+network, datagrams)
		}
	}
}

// keptAddress is the address whose socket outlives a reload, in the place of
// one; the same where there is none.
//
// Caddy opens a socket of its own for every configuration, which share a port
// (SO_REUSEPORT): the system gives each a part of the connections, and closing
// the old one ends those that no server has accepted yet.
func keptAddress(address string, tls bool) string {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return address
	}
	if _, found := keptNetworks[parsed.Network]; !found {
		return address
	}
	switch {
	case parsed.IsUnixNetwork() && tls:
		return address // Caddy knows that there is no HTTP/3 only by the name of the network
	case parsed.IsUnixNetwork(), parsed.IsFdNetwork():
		parsed.StartPort, parsed.EndPort = 1, 1 // which has no meaning; 0 would be logged as any port
	case parsed.StartPort == 0:
		return address // any port, another one each time
	}
	parsed.Network = keptPrefix + parsed.Network
	return parsed.String()
}

// keptSockets are the sockets that are open, by network and address.
var keptSockets connections.Sockets

// listenKept is a [caddy.ListenerFunc].
func listenKept(ctx context.Context, network, host, ports string, offset uint, config net.ListenConfig) (any, error) {
	address := caddy.NetworkAddress{Network: strings.TrimPrefix(network, keptPrefix), Host: host}
	if !address.IsUnixNetwork() && !address.IsFdNetwork() {
		first, _, _ := strings.Cut(ports, "-")
		port, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", ports, err)
		}
		address.StartPort = uint(port) + offset
		address.EndPort = address.StartPort
	}
	key := address.String()
	listener, err := keptSockets.Listen(key, config.KeepAliveConfig, func() (net.Listener, error) {
		opened, err := address.Listen(ctx, 0, config)
		if err != nil {
			return nil, err
		}
		listener, ok := opened.(net.Listener)
		if !ok {
			return nil, fmt.Errorf("%s takes no connections", key)
		}
		return listener, nil
	})
	if err != nil {
		return nil, err
	}
	if servers := handoverOf(ctx); servers != nil {
		servers.Add(listener)
	}
	return listener, nil
}
