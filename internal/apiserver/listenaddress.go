package apiserver

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// checkAddress refuses what Caddy would take for something else: an IPv6
// address without brackets for a host without a port, which is any port.
func checkAddress(flag, address string) error {
	usage := fmt.Errorf("%s %q: write host:port, :port for every address of this machine, or unix//path/of/socket|0660", flag, address)
	network, rest, found := strings.Cut(address, "/")
	if !found {
		network, rest = "tcp", address
	}
	switch {
	case network == "fd": // of systemd
		if _, err := strconv.ParseUint(rest, 10, 16); err != nil {
			return fmt.Errorf("%s %q: write fd/3 for the first socket that systemd hands over", flag, address)
		}
		return nil
	case network == "unix":
		if _, err := caddy.ParseNetworkAddress(address); err != nil {
			return fmt.Errorf("%s %q: write the mode of the socket behind its path, such as unix//run/dockit.sock|0660", flag, address)
		}
		if rest == "" || strings.HasPrefix(rest, "|") {
			return usage
		}
		return nil
	case strings.HasPrefix(network, "unix"): // unix:, unix:/run
		path, _ := strings.CutPrefix(strings.TrimLeft(strings.TrimPrefix(address, "unix:"), "/"), "run/")
		return fmt.Errorf("%s %q: write a Unix socket as unix//run/%s", flag, address, path)
	case !slices.Contains([]string{"tcp", "tcp4", "tcp6"}, network):
		return usage
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
			return fmt.Errorf("%s %q has no port: write %s", flag, address, net.JoinHostPort(ip.String(), "4315"))
		}
		return usage
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s %q: the port is a number from 1 to 65535, such as %s", flag, address, net.JoinHostPort(host, "4315"))
	}
	return nil
}

// checkMetricsAddress refuses the address that Dockit itself is served on:
// Caddy would share it between both.
func (o *Options) checkMetricsAddress() error {
	if o.MetricsListen == "" {
		return nil
	}
	if err := checkAddress("--metrics-listen", o.MetricsListen); err != nil {
		return err
	}
	taken := map[string]string{"--listen": o.Listen}
	if len(o.Domains) > 0 && !o.Given("listen") {
		taken = map[string]string{"--domain": ":443", "the redirects of --domain": ":80"}
	}
	for _, what := range []string{"--listen", "--domain", "the redirects of --domain"} {
		if sameListener(o.MetricsListen, taken[what]) {
			return fmt.Errorf("--metrics-listen %q is the address of %s: metrics need one of their own, such as localhost:9100", o.MetricsListen, what)
		}
	}
	return nil
}

// sameListener reports whether two addresses get connections for the same host
// and port.
func sameListener(a, b string) bool {
	x, errX := caddy.ParseNetworkAddress(a)
	y, errY := caddy.ParseNetworkAddress(b)
	switch {
	case b == "" || errX != nil || errY != nil:
		return false
	case x.IsUnixNetwork() || y.IsUnixNetwork() || x.IsFdNetwork() || y.IsFdNetwork():
		return a == b
	case x.StartPort != y.StartPort || x.StartPort == 0:
		return false
	default:
		return everyAddress(x.Host) || everyAddress(y.Host) || x.Host == y.Host || thisMachine(x.Host) && thisMachine(y.Host)
	}
}

func everyAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
