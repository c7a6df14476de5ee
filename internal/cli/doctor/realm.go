package doctor

import (
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/cli"
)

// isMadeUp reports whether a registry makes its realm out of the address that
// it was asked at, which it does with autoredirect: with https, whatever it
// speaks itself, and its own path unless another one is configured.
func (d *doctor) isMadeUp(realm *url.URL) bool {
	return strings.EqualFold(realm.Host, d.registry.Host) &&
		(realm.Path == "/auth/token" || realm.Scheme == "https" && d.registry.Scheme == "http")
}

func (d *doctor) explainMadeUp(realm *url.URL) {
	d.findings.bad("realm", "%s is the registry's own address, of which it makes a realm because autoredirect is on: REGISTRY_AUTH_TOKEN_REALM changes nothing then. "+
		"Turn REGISTRY_AUTH_TOKEN_AUTOREDIRECT off and set the realm to Dockit's address with /v2/token behind it; or, where Dockit answers on the registry's own host and port, "+
		"set REGISTRY_AUTH_TOKEN_AUTOREDIRECTPATH to /v2/token (from version 3.0 on; the realm is on https unless a proxy in front sends X-Forwarded-Proto)", cli.Visible(realm.String()))
}

// lookAtCaches reports registries that are a pull-through cache of this one.
// Version 3.1.2 does not send its credentials to every realm.
func (d *doctor) lookAtCaches(asked challenge.Challenge) {
	realm, err := url.Parse(asked.Realm)
	if err != nil || cacheAnswers(d.registry, realm) {
		return
	}
	d.findings.maybe("caches", "a pull-through cache (version 3.1.2) of %s sends its credentials to no realm on %s, and answers 404, manifest unknown: "+
		"for that, Dockit must be on the registry's own host and port, or both on names of one domain", d.registry, cli.Visible(realm.Host))
}

// cacheAnswers reports whether a pull-through cache by distribution 3.1.2 uses its
// credentials at a realm that the registry names.
func cacheAnswers(registry, realm *url.URL) bool {
	if strings.EqualFold(registry.Host, realm.Host) {
		return true
	}
	var domains []string
	for _, host := range []string{strings.ToLower(registry.Hostname()), strings.ToLower(realm.Hostname())} {
		if host == "" || host == "localhost" || net.ParseIP(host) != nil {
			return false
		}
		// Names of a single label have no such domain, and are all alike.
		domain, err := publicsuffix.EffectiveTLDPlusOne(host)
		if err != nil {
			domain = ""
		}
		domains = append(domains, domain)
	}
	return domains[0] == domains[1]
}
