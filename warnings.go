package dockit

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/routeorder"
)

// surroundings are what the app looks at of the configuration around it, to
// warn of what would hurt it.
type surroundings struct {
	// adminDisabled and adminListen say whether and where Caddy's admin endpoint
	// listens; an empty address is Caddy's default.
	adminDisabled bool
	adminListen   string
	// http is the configuration of the HTTP app, nil without one.
	http json.RawMessage
}

// surroundingsOf reads them while the app is provisioned: afterwards Caddy
// forgets the HTTP app's. Caddy has no other way for a module to see more of the
// configuration than its own part. What is not found is left out.
func surroundingsOf(ctx caddy.Context) (s surroundings, found bool) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return s, false
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if apps.Kind() == reflect.Map {
		for names := apps.MapRange(); names.Next(); {
			if value := names.Value(); names.Key().String() == "http" && value.Kind() == reflect.Slice {
				s.http = value.Bytes()
			}
		}
	}
	admin := config.Elem().FieldByName("Admin")
	if admin.Kind() != reflect.Pointer {
		return s, false
	}
	if admin.IsNil() {
		return s, true
	}
	disabled, listen := admin.Elem().FieldByName("Disabled"), admin.Elem().FieldByName("Listen")
	if disabled.Kind() != reflect.Bool || listen.Kind() != reflect.String {
		return s, false
	}
	s.adminDisabled, s.adminListen = disabled.Bool(), listen.String()
	return s, true
}

// warnOfAdminEndpoint warns when Caddy's admin endpoint can be reached over
// TCP: it asks for no credentials, so that every process of the machine can
// make itself an admin of Dockit there.
func (a *App) warnOfAdminEndpoint(s surroundings) {
	if s.adminDisabled {
		return
	}
	listen, err := caddy.NewReplacer().ReplaceOrErr(s.adminListen, true, true)
	if err != nil {
		return // Caddy refuses it
	}
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() {
		return
	}
	a.logger.Warn("Caddy's admin endpoint is open: whoever reaches it, such as any process on this machine, can replace the configuration and become an admin of Dockit without a password; "+
		"write `admin off` or `admin unix//run/caddy-admin.sock` into the global options", zap.String("admin_endpoint", listen))
}

// warnOfAuthenticationBefore warns of routes in which a request for Dockit meets
// another authentication first. The credentials that docker sends are Dockit's:
// what comes first refuses them, and no client can log in.
func (a *App) warnOfAuthenticationBefore(s surroundings) {
	for _, found := range routeorder.AuthenticationBefore(s.http, matchPath) {
		a.logger.Warn("another authentication comes before dockit: it gets the credentials that are for Dockit, and refuses them; "+
			"take it away from Dockit's paths, with a matcher such as `not path /v2/* /dockit/*`, or altogether",
			zap.String("server", found.Server), zap.String("before", found.Before), zap.Strings("paths", found.Paths))
	}
}

// matchPath reports whether a matcher of Caddy for paths matches one, or may.
func matchPath(raw json.RawMessage, path string) bool {
	var matcher caddyhttp.MatchPath
	if json.Unmarshal(raw, &matcher) != nil || matcher.Provision(caddy.Context{}) != nil {
		return true
	}
	ctx := context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer())
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}).WithContext(ctx)
	matches, err := matcher.MatchWithError(r)
	return matches || err != nil
}
