package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// lacking finds what this binary lacks in the errors of Caddy, which has no
// other way to say it.
var lacking = regexp.MustCompile(`(?:unrecognized directive: |unrecognized global option: |module not registered: |unknown module: )([\w.]+)|(\w+) is not a registered directive`)

// leftOut are directives and modules of Caddy's own that the binary does
// without: they are heavy, or nothing for a registry.
var leftOut = []string{
	"acme_server", "file_server", "php_fastcgi", "push", "templates", "tracing", "try_files",
	"http.handlers.acme_server", "http.handlers.file_server", "http.handlers.push", "http.handlers.templates",
	"http.handlers.tracing", "http.matchers.file",
	"http.reverse_proxy.transport.fastcgi", "tls.stek.distributed",
}

// thirdParty are the Go modules of what people often have in a Caddyfile.
var thirdParty = map[string]string{
	"rate_limit": "github.com/mholt/caddy-ratelimit",
	"coraza_waf": "github.com/corazawaf/coraza-caddy/v2",
	"exec":       "github.com/mholt/caddy-events-exec",
	"crowdsec":   "github.com/hslatman/caddy-crowdsec-bouncer/http",
	"replace":    "github.com/caddyserver/replace-response",
	"cache":      "github.com/caddyserver/cache-handler",
	"layer4":     "github.com/mholt/caddy-l4",
	"security":   "github.com/greenpau/caddy-security",
}

// explainMissing adds to an error about something that the binary does not have
// how to build a Caddy that has it.
func explainMissing(err error) error {
	if err == nil {
		return nil
	}
	match := lacking.FindStringSubmatch(err.Error())
	if match == nil {
		return err
	}
	name := match[1] + match[2]
	const build = "xcaddy build --with github.com/dockit-registry/dockit"
	if slices.Contains(leftOut, name) {
		return fmt.Errorf("%w\n%s is a part of Caddy that this binary leaves out: build your own Caddy with Dockit in it, and serve the same file with `caddy run`:\n  %s", err, name, build)
	}
	return fmt.Errorf("%w\nIf %s is no typing error, this binary does not have it: build your own Caddy with it and with Dockit, and serve the same file with `caddy run`:\n  %s --with %s",
		err, name, build, moduleOf(name))
}

// moduleOf is the Go module that has a directive or a module of Caddy.
func moduleOf(name string) string {
	if provider, ok := strings.CutPrefix(name, "dns.providers."); ok {
		return "github.com/caddy-dns/" + provider
	}
	if module := thirdParty[name[strings.LastIndexByte(name, '.')+1:]]; module != "" {
		return module
	}
	return "MODULE\nhttps://caddyserver.com/docs/modules/ says which MODULE has " + name + "."
}
