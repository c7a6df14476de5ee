package login

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/dockit-registry/dockit/internal/cli"
)

// audiences are those for one of which a token has to be meant, the first of which is
// asked for. It is the registry that says what its service is called: one that gives
// itself the name of another would get tokens that are good there.
func (p place) audiences(t *target, chosen string, warnings io.Writer) ([]string, error) {
	if chosen != "" {
		return []string{chosen}, nil
	}
	switch host := hostIn(p.service); {
	case host == "" && !t.onThisMachine() && isAudienceOfOthers(p.service):
		return nil, fmt.Errorf("%s says that its service is %q, by which others than registries take tokens of jobs: none was sent to %s. "+
			"If it is the right one, log in with --audience %[2]q", t.host, p.service, p.realm.Host)
	case host == "" && !t.onThisMachine():
		cli.Warnf(warnings, "Warning: the service of %s is called %q, as others may be: who runs %[1]s could log in there with this job's token. "+
			"Name the service after its host, or give the issuer an --audience", t.host, p.service)
	case host != "" && !sameOwner(host, t.base.Hostname()):
		// Not even where the realm is the other's own: what that gives for the token
		// would be kept for this registry, which may ask for it later on.
		return nil, fmt.Errorf("%s says that its service is %q, which is another's name: a token for that was not sent to %s. "+
			"If it is the right one, log in with --audience %[2]q", t.host, p.service, p.realm.Host)
	}
	return []string{p.service, "https://" + p.service}, nil
}

// audiencesOfOthers are names by which clouds and sites of packages take tokens of jobs.
var audiencesOfOthers = []string{"kubernetes", "pypi", "sigstore", "testpypi", "vault"}

// isAudienceOfOthers reports whether a service without a host goes by a name that is known elsewhere, or is written as an address.
func isAudienceOfOthers(service string) bool {
	return strings.ContainsAny(service, ":/") || slices.Contains(audiencesOfOthers, strings.ToLower(service))
}

// hostIn is the host that a service is named after, or empty.
func hostIn(service string) string {
	if u, err := url.Parse(service); err == nil && u.Host != "" {
		service = u.Host
	}
	service, _, _ = strings.Cut(service, "/")
	host := strings.ToLower((&url.URL{Host: service}).Hostname())
	if net.ParseIP(host) == nil && !strings.Contains(strings.Trim(host, "."), ".") || strings.ContainsAny(host, " \t") {
		return ""
	}
	return strings.TrimSuffix(host, ".")
}

// sameOwner reports whether two hosts are the same, or names of one
// registered domain.
func sameOwner(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil || strings.HasSuffix(a, ".svc") || strings.HasSuffix(a, ".cluster.local") {
		return false // services of a cluster are each namespace's own
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	other, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && domain == other
}
