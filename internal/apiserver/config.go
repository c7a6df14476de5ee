package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	caddymetrics "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/dockit-registry/dockit/internal/connections"
)

// Servers of api-server.
const (
	MainServer    = "dockit"
	metricsServer = "metrics"
	// RedirectServer redirects from HTTP to HTTPS. Caddy adds the routes, and
	// would make a server without limits for them.
	RedirectServer = "redirects"
	metricsPath    = "/metrics"
)

// Limits of these servers.
const (
	readHeaderTimeout = 10 * time.Second
	// readTimeout bounds a whole request. It is for servers without upstream
	// only: pushing a large layer takes longer. Dockit's own endpoints bound
	// themselves; Caddy does not let them take longer than this, and the export
	// of a large state takes minutes.
	readTimeout = 6 * time.Minute
	idleTimeout = 2 * time.Minute
	gracePeriod = 10 * time.Second
	// maxHeaderBytes leaves room for a query that is too long, so that it gets
	// an answer that clients understand.
	maxHeaderBytes = 64 << 10
	// maxSideConnections are those of the servers for metrics and redirects.
	maxSideConnections = 512
	// secureFor is how long browsers use nothing but HTTPS for a host of --domain.
	secureFor = 365 * 24 * time.Hour
)

// Config builds Caddy's configuration around that of the app dockit, in memory. It is
// never written to disk, and no admin endpoint serves it.
func (o *Options) Config(app any) (*caddy.Config, error) {
	server, err := o.server()
	if err != nil {
		return nil, err
	}
	httpApp := caddyhttp.App{
		GracePeriod: caddy.Duration(gracePeriod),
		Servers:     map[string]*caddyhttp.Server{MainServer: server},
	}
	if server.AutoHTTPS == nil {
		httpApp.Servers[RedirectServer] = redirecting()
	}
	if o.MetricsListen != "" {
		httpApp.Servers[metricsServer] = o.metricsServer()
	}
	tlsApp := caddytls.TLS{}
	apps := caddy.ModuleMap{"dockit": caddyconfig.JSON(app, nil)}
	if len(o.Domains) == 0 {
		// Without certificates there is nothing to store, and perhaps nowhere.
		tlsApp.DisableStorageCheck = true
		tlsApp.DisableStorageClean = true
	} else {
		// Local names have a certificate by an authority of this machine. Who
		// is to trust that is not for a server to decide.
		trust := false
		apps["pki"] = caddyconfig.JSON(caddypki.PKI{
			CAs: map[string]*caddypki.CA{caddypki.DefaultCAID: {InstallTrust: &trust}},
		}, nil)
	}
	apps["http"] = caddyconfig.JSON(httpApp, nil)
	apps["tls"] = caddyconfig.JSON(tlsApp, nil)
	persist := false
	return &caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &persist}},
		Logging: o.logging(),
		AppsRaw: apps,
	}, nil
}

// server is the one that serves Dockit, and the upstream if there is one.
func (o *Options) server() (*caddyhttp.Server, error) {
	server := &caddyhttp.Server{
		Listen:            []string{o.Listen},
		ReadHeaderTimeout: caddy.Duration(readHeaderTimeout),
		IdleTimeout:       caddy.Duration(idleTimeout),
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         []string{"h1"},
		AutoHTTPS:         &caddyhttp.AutoHTTPSConfig{Disabled: true},

		ListenerWrappersRaw: connectionLimits(0),
	}
	o.trustProxies(server)
	if o.Upstream == "" {
		server.ReadTimeout = caddy.Duration(readTimeout)
	}
	rest, err := o.rest()
	if err != nil {
		return nil, err
	}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{
		dockitHandler(o.endpoints()...), rest,
	}}
	if len(o.Domains) == 0 {
		server.Routes = caddyhttp.RouteList{route}
		return server, nil
	}

	server.Protocols = []string{"h1", "h2"}
	if o.Given("listen") {
		// Who names an address wants no other one opened.
		server.AutoHTTPS = &caddyhttp.AutoHTTPSConfig{DisableRedir: true}
	} else {
		server.AutoHTTPS = nil
		server.Listen = []string{":" + strconv.Itoa(certmagic.HTTPSPort)}
	}
	if header := o.strictTransport(); header != nil {
		route.HandlersRaw = append([]json.RawMessage{header}, route.HandlersRaw...)
	}
	route.MatcherSetsRaw = caddyhttp.RawMatcherSets{{"host": caddyconfig.JSON(caddyhttp.MatchHost(o.Domains), nil)}}
	route.Terminal = true
	server.Routes = caddyhttp.RouteList{route, {HandlersRaw: []json.RawMessage{
		notFound(http.StatusMisdirectedRequest, "Dockit serves another host name here: see --domain.\n"),
	}}}
	return server, nil
}

// strictTransport makes browsers use nothing but HTTPS for the domains, unless
// the upstream says so itself. It counts for every port of a host, and for a name
// that is known everywhere: nil when Dockit has not ports 80 and 443 to itself, or a
// name is one of this machine or network alone, or an address.
func (o *Options) strictTransport() json.RawMessage {
	if o.Given("listen") || slices.ContainsFunc(o.Domains, func(domain string) bool {
		return !certmagic.SubjectQualifiesForPublicCert(domain) || certmagic.SubjectIsIP(domain)
	}) {
		return nil
	}
	const name = "Strict-Transport-Security"
	return caddyconfig.JSONModuleObject(headers.Handler{Response: &headers.RespHeaderOps{
		HeaderOps: &headers.HeaderOps{Set: http.Header{name: {fmt.Sprintf("max-age=%d", int(secureFor.Seconds()))}}},
		Require:   &caddyhttp.ResponseMatcher{Headers: http.Header{name: nil}},
	}}, "handler", "headers", nil)
}

// endpoints are the groups of endpoints to answer, none for all of them.
func (o *Options) endpoints() []string {
	if o.UI {
		return nil
	}
	return []string{"token", "certs", "admin", "health"}
}

// dockitHandler answers some groups of Dockit's endpoints, or all.
func dockitHandler(endpoints ...string) json.RawMessage {
	return caddyconfig.JSON(struct {
		Handler   string   `json:"handler"`
		Endpoints []string `json:"endpoints,omitempty"`
	}{"dockit", endpoints}, nil)
}

func redirecting() *caddyhttp.Server {
	return &caddyhttp.Server{
		Listen:            []string{":" + strconv.Itoa(certmagic.HTTPPort)},
		ReadHeaderTimeout: caddy.Duration(readHeaderTimeout),
		ReadTimeout:       caddy.Duration(readHeaderTimeout),
		IdleTimeout:       caddy.Duration(readHeaderTimeout),
		Protocols:         []string{"h1"},
		AutoHTTPS:         &caddyhttp.AutoHTTPSConfig{Disabled: true},

		ListenerWrappersRaw: connectionLimits(min(maxSideConnections, connections.OpenFiles()/8)),
	}
}

// connectionLimits bounds the connections of a server, TLS or not: to so many, or
// by default. The limits of all servers together leave files for everything else.
func connectionLimits(most int) []json.RawMessage {
	return []json.RawMessage{
		caddyconfig.JSON(struct {
			Wrapper string `json:"wrapper"`
			Most    int    `json:"most,omitempty"`
		}{"dockit_connections", most}, nil),
		json.RawMessage(`{"wrapper":"tls"}`),
	}
}

// rest answers what is not Dockit's.
func (o *Options) rest() (json.RawMessage, error) {
	if o.Upstream == "" {
		return notFound(http.StatusNotFound, "Not found. Dockit issues registry tokens at /v2/token.\n"), nil
	}
	to, err := parseUpstream(o.Upstream)
	if err != nil {
		return nil, err
	}
	proxy := reverseproxy.Handler{Upstreams: reverseproxy.UpstreamPool{{Dial: to.address}}}
	if to.tls {
		proxy.TransportRaw = caddyconfig.JSONModuleObject(
			reverseproxy.HTTPTransport{TLS: new(reverseproxy.TLSConfig)}, "protocol", "http", nil)
		proxy.Headers = &headers.Handler{Request: &headers.HeaderOps{
			Set: http.Header{"Host": {"{http.reverse_proxy.upstream.hostport}"}},
		}}
	}
	return caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil), nil
}

func notFound(status int, body string) json.RawMessage {
	return caddyconfig.JSONModuleObject(caddyhttp.StaticResponse{
		StatusCode: caddyhttp.WeakString(strconv.Itoa(status)),
		Headers:    http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:       body,
	}, "handler", "static_response", nil)
}

func (o *Options) metricsServer() *caddyhttp.Server {
	return &caddyhttp.Server{
		Listen:            []string{o.MetricsListen},
		ReadHeaderTimeout: caddy.Duration(readHeaderTimeout),
		ReadTimeout:       caddy.Duration(readTimeout),
		IdleTimeout:       caddy.Duration(idleTimeout),
		Protocols:         []string{"h1"},
		AutoHTTPS:         &caddyhttp.AutoHTTPSConfig{Disabled: true},

		ListenerWrappersRaw: connectionLimits(min(maxSideConnections, connections.OpenFiles()/8)),
		Routes: caddyhttp.RouteList{
			{
				MatcherSetsRaw: caddyhttp.RawMatcherSets{{"path": caddyconfig.JSON(caddyhttp.MatchPath{metricsPath}, nil)}},
				HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(caddymetrics.Metrics{}, "handler", "metrics", nil)},
				Terminal:       true,
			},
			{HandlersRaw: []json.RawMessage{
				dockitHandler("health"),
				notFound(http.StatusNotFound, "Not found. Metrics are at "+metricsPath+".\n"),
			}},
		},
	}
}

func (o *Options) logging() *caddy.Logging {
	log := caddy.BaseLog{Level: strings.ToUpper(o.LogLevel)}
	if o.LogFormat != "" {
		log.EncoderRaw = caddyconfig.JSON(map[string]string{"format": o.LogFormat}, nil)
	}
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{caddy.DefaultLoggerName: {BaseLog: log}}}
}
