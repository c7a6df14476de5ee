package doctor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/registrytoken"
	"github.com/dockit-registry/dockit/internal/version"
)

// maxDoctor is the largest answer that is read, in bytes.
const maxDoctor = 1 << 20

// probeScope asks for a token that opens nothing.
const probeScope = "repository:dockit-doctor/probe:pull"

// get asks without credentials, or with a token.
func (d *doctor) get(ctx context.Context, target, token string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := d.http.Do(request)
	if err != nil {
		return nil, nil, cli.ExplainConnection(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDoctor))
	return response, body, err
}

// askRegistry gets the registry's challenge and reads its clock.
func (d *doctor) askRegistry(ctx context.Context) (challenge.Challenge, bool) {
	began := startReading()
	response, _, err := d.get(ctx, d.registry.String()+"/v2/", "") //nolint:bodyclose // get closed it
	if err != nil {
		d.findings.bad("registry", "%s cannot be reached: %v", d.registry, err)
		return challenge.Challenge{}, false
	}
	if clock, ok := began.readDate(response.Header); ok {
		d.compareClocks(clock)
	}
	switch response.StatusCode {
	case http.StatusUnauthorized:
	case http.StatusOK:
		d.findings.bad("registry", "%s answers without a token: everybody may do everything; %v", d.registry, challenge.ErrOther)
		return challenge.Challenge{}, false
	default:
		d.findings.bad("registry", "%s/v2/ answers %s: is that a registry?", d.registry, response.Status)
		return challenge.Challenge{}, false
	}
	asked, err := challenge.Of(response.Header)
	if err != nil {
		d.findings.bad("registry", "%s: %v", d.registry, err)
		return challenge.Challenge{}, false
	}
	d.findings.Realm, d.findings.Service = asked.Realm, asked.Service
	d.findings.good("registry", "%s asks for tokens for service %q from %s", d.registry, cli.Visible(asked.Service), cli.Visible(asked.Realm))
	return asked, true
}

func (d *doctor) compareClocks(registry clockReading) {
	difference, apart := registry.apart(d.dockitClock)
	switch {
	case !apart:
		d.findings.good("clocks", "the registry's and Dockit's agree")
	case difference > 0:
		d.findings.bad("clocks", "the registry's is %s ahead of Dockit's, so that tokens expire early or at once; set both by NTP", difference)
	default:
		d.findings.bad("clocks", "the registry's is %s behind Dockit's, so that new tokens are not valid yet; set both by NTP", -difference)
	}
}

// compareService looks the registry's service up among Dockit's.
func (d *doctor) compareService(asked challenge.Challenge) *adminapi.Service {
	var names []string
	for i, service := range d.pki.Services {
		if service.Name == asked.Service {
			d.findings.good("service", "%q is one of Dockit's, with the profile %s", service.Name, service.Profile)
			return &d.pki.Services[i]
		}
		names = append(names, service.Name)
	}
	d.findings.bad("service", "unknown service %q: this Dockit has %s; set REGISTRY_AUTH_TOKEN_SERVICE at the registry to one of them, or add the service to Dockit",
		cli.Visible(asked.Service), strings.Join(names, ", "))
	return nil
}

// askRealm gets a token where the registry sends its clients.
func (d *doctor) askRealm(ctx context.Context, asked challenge.Challenge, known *adminapi.Service) (string, bool) {
	realm, err := url.Parse(asked.Realm)
	if err != nil || realm.Host == "" || realm.Scheme != "http" && realm.Scheme != "https" {
		d.findings.bad("realm", "%q is no URL: set REGISTRY_AUTH_TOKEN_REALM at the registry to Dockit's address with /v2/token behind it", cli.Visible(asked.Realm))
		return "", false
	}
	if d.isMadeUp(realm) {
		d.explainMadeUp(realm)
		return "", false
	}
	if realm.Scheme == "http" && d.registry.Scheme == "https" {
		d.findings.bad("realm", "it is on http while the registry is on https: crane, regctl and oras refuse that")
	}
	query := realm.Query()
	query.Set("service", asked.Service)
	query.Set("scope", probeScope)
	realm.RawQuery = query.Encode()
	response, body, err := d.get(ctx, realm.String(), "") //nolint:bodyclose // get closed it
	if err != nil {
		d.findings.bad("realm", "%s cannot be reached from here: %v; set REGISTRY_AUTH_TOKEN_REALM at the registry to an address that clients reach Dockit at", cli.Visible(asked.Realm), err)
		return "", false
	}
	if known == nil && response.StatusCode == http.StatusBadRequest {
		return "", false // which was said already
	}
	if response.StatusCode != http.StatusOK {
		d.findings.bad("realm", "%s answers %s: it is not this Dockit's token endpoint, whose path is /v2/token", cli.Visible(asked.Realm), response.Status)
		return "", false
	}
	raw, err := registrytoken.Find(string(body))
	if err != nil || !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		d.findings.bad("realm", "%s answers something else than a token: its path is /v2/token at Dockit's address", cli.Visible(asked.Realm))
		return "", false
	}
	return raw, d.isOurs(raw, asked)
}

// isOurs makes sure that the realm belongs to the Dockit that is logged in to.
func (d *doctor) isOurs(raw string, asked challenge.Challenge) bool {
	parsed, err := registrytoken.Parse(raw)
	if err != nil {
		d.findings.bad("realm", "%s gives no registry token: %v", cli.Visible(asked.Realm), err)
		return false
	}
	id := parsed.Header().KeyID
	if !slices.ContainsFunc(d.keys, func(k adminapi.Key) bool { return k.ID == id }) {
		d.findings.bad("realm", "%s leads to another token server than the Dockit that is asked here: it signs with key %s as issuer %q",
			cli.Visible(asked.Realm), cli.Visible(id), cli.Visible(parsed.Claims.Issuer))
		return false
	}
	d.findings.good("realm", "%s is this Dockit, and issues tokens as %q", cli.Visible(asked.Realm), cli.Visible(parsed.Claims.Issuer))
	return true
}

// tryToken shows a token to the registry.
func (d *doctor) tryToken(ctx context.Context, raw, service string) {
	response, _, err := d.get(ctx, d.registry.String()+"/v2/", raw) //nolint:bodyclose // get closed it
	if err != nil {
		d.findings.bad("token", "%s cannot be reached: %v", d.registry, err)
		return
	}
	refused, _ := challenge.Of(response.Header)
	switch {
	case response.StatusCode == http.StatusOK, response.StatusCode == http.StatusForbidden, refused.Problem == "insufficient_scope":
		d.findings.good("token", "the registry accepts one of this Dockit")
	case response.StatusCode == http.StatusUnauthorized:
		d.findings.bad("token", "the registry refuses one of this Dockit (%s)", cli.Visible(refused.Problem))
		d.explainRefusal(raw, service)
	default:
		d.findings.bad("token", "the registry answers %s to one of this Dockit: see its log", response.Status)
	}
}
