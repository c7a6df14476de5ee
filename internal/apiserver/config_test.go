package apiserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/connections"
)

// configOf is what api-server makes of its flags, around an app that has no
// settings.
func configOf(t *testing.T, args ...string) (*caddy.Config, caddyhttp.App) {
	t.Helper()
	config, err := parseFlags(t, args...).Config(struct{}{})
	require.NoError(t, err)
	var app caddyhttp.App
	require.NoError(t, json.Unmarshal(config.AppsRaw["http"], &app))
	return config, app
}

// parseFlags reads the flags of api-server.
func parseFlags(t testing.TB, args ...string) *Options {
	t.Helper()
	o := new(Options)
	require.NoError(t, pflagSet(o).Parse(args))
	require.NoError(t, o.Check())
	return o
}

func pflagSet(o *Options) *pflag.FlagSet {
	flags := pflag.NewFlagSet("api-server", pflag.ContinueOnError)
	o.Register(flags)
	return flags
}

func TestAPIServerListen(t *testing.T) {
	for _, tc := range []struct {
		name      string
		args      []string
		listen    string
		redirects bool
		https     bool
	}{
		{"default", nil, ":4315", false, false},
		{"listen", []string{"--listen", "127.0.0.1:5001"}, "127.0.0.1:5001", false, false},
		{"domain", []string{"--domain", "a.example.com", "--domain", "b.example.com"}, ":443", true, true},
		{"domain and listen", []string{"--domain", "a.example.com", "--listen", ":8443"}, ":8443", false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, app := configOf(t, tc.args...)
			server := app.Servers[MainServer]
			auto := server.AutoHTTPS
			if auto == nil {
				auto = new(caddyhttp.AutoHTTPSConfig)
			}
			got := server.Listen
			assert.Equal(t, []string{tc.listen}, got)
			assert.NotEqual(t, tc.https, auto.Disabled, "automatic HTTPS: %+v", auto)
			if tc.https {
				assert.NotEqual(t, tc.redirects, auto.DisableRedir, "redirects: %+v", auto)
			}
			_, ok := app.Servers[RedirectServer]
			assert.Equal(t, tc.redirects, ok, "servers: %v", app.Servers)
		})
	}
}

func TestParseUpstream(t *testing.T) {
	for _, tc := range []struct {
		in      string
		address string
		tls, ok bool
	}{
		{"registry:5000", "registry:5000", false, true},
		{"http://registry:5000/", "registry:5000", false, true},
		{"registry", "registry:80", false, true},
		{"https://registry", "registry:443", true, true},
		{"https://[::1]:5001", "[::1]:5001", true, true},
		{"ftp://registry", "", false, false},
		{"http://user:secret@registry", "", false, false},
		{"http://registry/v2/", "", false, false},
		{":5000", "", false, false},
		{"http://", "", false, false},
	} {
		got, err := parseUpstream(tc.in)
		assert.Equal(t, tc.ok, err == nil, "parseUpstream(%q) = %+v, %v", tc.in, got, err)
		assert.Equal(t, tc.address, got.address, "parseUpstream(%q) = %+v, %v", tc.in, got, err)
		assert.Equal(t, tc.tls, got.tls, "parseUpstream(%q) = %+v, %v", tc.in, got, err)
		if err != nil {
			assert.NotContains(t, err.Error(), "secret", "%v", err)
		}
	}
}

// TestStrictTransportSecurityIsForOwnHosts guards that it is sent where Dockit has
// the host to itself, and nowhere else: browsers remember it for a year.
func TestStrictTransportSecurityIsForOwnHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want bool
	}{
		"a domain":                         {[]string{"--domain", "registry.example.com"}, true},
		"two domains":                      {[]string{"--domain", "a.example.com", "--domain", "b.example.com"}, true},
		"no domain":                        {nil, false},
		"another port of the host":         {[]string{"--domain", "registry.example.com", "--listen", ":8443"}, false},
		"localhost":                        {[]string{"--domain", "localhost"}, false},
		"a name of this machine":           {[]string{"--domain", "dockit.localhost"}, false},
		"a name of a network":              {[]string{"--domain", "registry.internal"}, false},
		"a domain and a name of a network": {[]string{"--domain", "registry.example.com", "--domain", "registry.internal"}, false},
		"an address":                       {[]string{"--domain", "192.0.2.1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := new(Options)
			require.NoError(t, pflagSet(o).Parse(tc.args))
			server, err := o.server()
			require.NoError(t, err)
			said := 0
			for _, route := range server.Routes {
				for _, handler := range route.HandlersRaw {
					said += strings.Count(string(handler), `"max-age=31536000"`)
				}
			}
			assert.Equal(t, tc.want, said == 1)
		})
	}
}

// TestEveryServerIsLimited guards that no listener of api-server is without a
// limit, and that it stands before TLS.
func TestEveryServerIsLimited(t *testing.T) {
	for _, args := range [][]string{nil, {"--domain", "a.example.com", "--metrics-listen", ":9100"}} {
		_, app := configOf(t, args...)
		all := 0
		for name, server := range app.Servers {
			require.Len(t, server.ListenerWrappersRaw, 2, name)
			assert.Contains(t, string(server.ListenerWrappersRaw[0]), "dockit_connections", name)
			assert.JSONEq(t, `{"wrapper":"tls"}`, string(server.ListenerWrappersRaw[1]), name)
			assert.NotZero(t, server.ReadHeaderTimeout, name)
			assert.NotZero(t, server.IdleTimeout, name)
			var limit struct{ Most int }
			require.NoError(t, json.Unmarshal(server.ListenerWrappersRaw[0], &limit))
			all += connections.Most(limit.Most)
		}
		assert.LessOrEqual(t, all, connections.OpenFiles()*3/4, "together")
	}
}
