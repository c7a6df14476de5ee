package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// CheckFree makes sure that the addresses of a configuration are free before it
// is run for the first time. Caddy's listeners share a port with those of other
// processes: a second server would get some of the connections of the first.
// What is not free is an error that says what to do.
func CheckFree(config *caddy.Config) error {
	addresses, err := listenAddresses(config)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		for _, one := range address.Expand() {
			if err := checkFree(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// listenAddresses are those of the HTTP servers of a configuration, of its
// redirects to HTTPS and of its admin endpoint. What cannot be read is left out:
// Caddy itself says what is wrong with it.
func listenAddresses(config *caddy.Config) ([]caddy.NetworkAddress, error) {
	var app struct {
		HTTPPort  uint                         `json:"http_port"`
		HTTPSPort uint                         `json:"https_port"`
		Servers   map[string]*caddyhttp.Server `json:"servers"`
	}
	if raw := config.AppsRaw["http"]; raw != nil {
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil, fmt.Errorf("read the HTTP servers of the configuration: %w", err)
		}
	}
	if app.HTTPPort == 0 {
		app.HTTPPort = caddyhttp.DefaultHTTPPort
	}
	if app.HTTPSPort == 0 {
		app.HTTPSPort = caddyhttp.DefaultHTTPSPort
	}
	var all []caddy.NetworkAddress
	for _, server := range app.Servers {
		addresses := parseAddresses(server.Listen...)
		all = append(all, addresses...)
		if redirects(server, addresses, app.HTTPPort, app.HTTPSPort) {
			for _, address := range addresses {
				if !address.IsUnixNetwork() && !address.IsFdNetwork() {
					address.StartPort, address.EndPort = app.HTTPPort, app.HTTPPort
					all = append(all, address)
				}
			}
		}
	}
	switch {
	case config.Admin == nil:
		all = append(all, parseAddresses(caddy.DefaultAdminListen)...)
	case config.Admin.Disabled:
	case config.Admin.Listen == "":
		all = append(all, parseAddresses(caddy.DefaultAdminListen)...)
	default:
		all = append(all, parseAddresses(config.Admin.Listen)...)
	}
	return all, nil
}

func parseAddresses(all ...string) []caddy.NetworkAddress {
	parsed := make([]caddy.NetworkAddress, 0, len(all))
	for _, address := range all {
		address, err := caddy.NewReplacer().ReplaceOrErr(address, true, true)
		if err != nil {
			continue
		}
		if one, err := caddy.ParseNetworkAddress(address); err == nil {
			parsed = append(parsed, one)
		}
	}
	return parsed
}

// redirects reports whether Caddy adds redirects from HTTP for a server.
func redirects(server *caddyhttp.Server, addresses []caddy.NetworkAddress, httpPort, httpsPort uint) bool {
	if auto := server.AutoHTTPS; auto != nil && (auto.Disabled || auto.DisableRedir) {
		return false
	}
	onlyHTTP, onlyHTTPS := true, true
	for _, address := range addresses {
		onlyHTTP = onlyHTTP && address.StartPort == httpPort && address.EndPort == httpPort
		onlyHTTPS = onlyHTTPS && address.StartPort == httpsPort && address.EndPort == httpsPort
	}
	if onlyHTTP {
		return false
	}
	named := server.TLSConnPolicies != nil || onlyHTTPS
	for _, route := range server.Routes {
		for _, matchers := range route.MatcherSetsRaw {
			named = named || matchers["host"] != nil
		}
	}
	return named
}

// checkFree tries to listen on an address as a server does that shares it with
// no other. Go sets SO_REUSEADDR, so that a server which stopped a moment ago is
// not in the way.
func checkFree(address caddy.NetworkAddress) error {
	if address.IsUnixNetwork() {
		path, _, _ := strings.Cut(address.Host, "|")
		return checkSocket(path)
	}
	if !strings.HasPrefix(address.Network, "tcp") {
		return nil // a descriptor, or a network of a plugin
	}
	target := address.JoinHostPort(0)
	listener, err := new(net.ListenConfig).Listen(context.Background(), address.Network, target)
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: another process listens there, perhaps another Dockit or Caddy: stop it, or choose another address; "+
			"'ss -ltnp' as root names it: %w", target, err)
	case errors.Is(err, syscall.EACCES):
		return checkRight(address, target)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this machine has no such address: write one that 'ip address' lists, or :%d for all: %w", target, address.StartPort, err)
	default:
		return fmt.Errorf("listen on %s: %w", target, err)
	}
}

// checkRight lets Caddy try, which can use a capability that this process has
// but did not take up.
func checkRight(address caddy.NetworkAddress, target string) error {
	listener, err := address.Listen(context.Background(), 0, net.ListenConfig{})
	if err != nil {
		return fmt.Errorf("listen on %s: this process has no right to ports below 1024: choose another one, or give it the right with "+
			"'setcap cap_net_bind_service=+ep' on the program, or AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit: %w", target, err)
	}
	if l, ok := listener.(net.Listener); ok {
		return l.Close()
	}
	return nil
}

// checkSocket makes sure that no server answers on a Unix socket and that it is
// one: Caddy removes what is there.
func checkSocket(path string) error {
	if strings.HasPrefix(path, "@") {
		return nil // the system refuses a second one
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on a Unix socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on the Unix socket %s: something else is there, and would be removed: choose another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(context.Background(), "unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("listen on the Unix socket %s: another process listens there, perhaps another Dockit: stop it, or choose another path", path), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil // left behind
	default:
		return fmt.Errorf("listen on the Unix socket %s: nobody can tell whether another process listens there: stop it, remove the socket, or choose another path: %w", path, err)
	}
}
