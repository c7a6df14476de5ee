package dockit

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/firstadmin"
)

// tellNextSteps ends the first start of a server: on a terminal for the person
// there, and in the log otherwise.
func (a *App) tellNextSteps(admin string) {
	steps := firstadmin.NextSteps{
		Program: program(), BaseURL: a.publicURL, Page: a.pageURL, Issuer: a.Issuer, Admin: admin,
		Service: a.endpoints.Services[0].Name, Profile: a.endpoints.Services[0].Profile,
	}
	for _, service := range a.endpoints.Services[1:] {
		steps.Others = append(steps.Others, service.Name)
	}
	if isTerminal(a.stdout) {
		steps.Print(a.stdout)
		return
	}
	steps.Log(a.logger)
}

// isTerminal is replaced by tests.
var isTerminal = func(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// program is how Dockit's command line is called in this binary.
func program() string {
	if name := filepath.Base(os.Args[0]); strings.HasPrefix(name, "caddy") {
		return name + " dockit"
	}
	return "dockit"
}

// servedRoute is what the search for an endpoint reads of a route of Caddy.
type servedRoute struct {
	Match []struct {
		Host []string `json:"host"`
	} `json:"match"`
	Handle []struct {
		Handler   string        `json:"handler"`
		Endpoints []string      `json:"endpoints"`
		Routes    []servedRoute `json:"routes"`
	} `json:"handle"`
}

// servedBy is what it reads of a server.
type servedBy struct {
	Listen    []string          `json:"listen"`
	Routes    []servedRoute     `json:"routes"`
	TLS       []json.RawMessage `json:"tls_connection_policies"`
	AutoHTTPS struct {
		Disable bool     `json:"disable"`
		Skip    []string `json:"skip"`
	} `json:"automatic_https"`
}

// unknownHost is in a URL in place of a host that the configuration does not tell.
const unknownHost = "https://<where people reach Dockit>"

// publicURL is where clients reach the token endpoint, by the configuration of
// the HTTP app. It is empty when that does not tell: behind a Unix socket, on any
// free port, or on a host that only a request names.
func publicURL(http json.RawMessage) string {
	url, _ := servedAt(http, handlers.Token)
	return url
}

// pageURL is where people find the page, empty when nothing serves it.
func pageURL(http json.RawMessage) string {
	url, found := servedAt(http, handlers.UI)
	switch {
	case !found:
		return ""
	case url == "":
		url = unknownHost
	}
	return url + "/dockit/"
}

// servedAt is the URL of the first server and host with a group of endpoints, empty
// when the configuration does not tell it.
func servedAt(http json.RawMessage, group handlers.Endpoints) (url string, found bool) {
	var app struct {
		Servers map[string]servedBy `json:"servers"`
	}
	if json.Unmarshal(http, &app) != nil {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		server := app.Servers[name]
		if host, found := hostOf(group, server.Routes, ""); found {
			return server.url(host), true
		}
	}
	return "", false
}

// hostOf is the host that a route with a group of endpoints is for, empty for any.
func hostOf(group handlers.Endpoints, routes []servedRoute, outer string) (host string, found bool) {
	serves := func(name string) bool {
		endpoint, err := handlers.ParseEndpoint(name)
		return err == nil && endpoint == group
	}
	for _, route := range routes {
		host := outer
		if len(route.Match) > 0 && len(route.Match[0].Host) > 0 {
			host = route.Match[0].Host[0]
		}
		for _, handler := range route.Handle {
			if handler.Handler == "dockit" && (len(handler.Endpoints) == 0 || slices.ContainsFunc(handler.Endpoints, serves)) {
				return host, true
			}
			if host, found := hostOf(group, handler.Routes, host); found {
				return host, true
			}
		}
	}
	return "", false
}

// url is that of a host at this server.
func (s servedBy) url(host string) string {
	listen := ":443"
	if len(s.Listen) > 0 {
		listen = s.Listen[0]
	}
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() || address.StartPort == 0 || strings.ContainsAny(host, "{*") {
		return ""
	}
	const httpPort, httpsPort = 80, 443
	scheme, usual := "https", uint(httpsPort)
	plain := address.StartPort == httpPort || s.AutoHTTPS.Disable || host == "" || slices.Contains(s.AutoHTTPS.Skip, host)
	if plain && len(s.TLS) == 0 {
		scheme, usual = "http", httpPort
	}
	if host == "" {
		host = address.Host
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if address.StartPort == usual {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.FormatUint(uint64(address.StartPort), 10))
}
