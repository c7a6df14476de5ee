package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/registrytoken"
	"github.com/dockit-registry/dockit/internal/cli/trust"
	"github.com/dockit-registry/dockit/internal/token"
)

// explainRefusal looks for what the registry does not say. What is certain
// comes from what the caller knows of its configuration; of all that remains
// possible, one is right.
func (d *doctor) explainRefusal(raw, service string) {
	certain := slices.ContainsFunc(d.findings.Findings, func(f finding) bool { return f.Check == "clocks" && !f.OK })
	if d.issuer != "" {
		if d.issuer != d.pki.Issuer {
			certain = true
			d.findings.bad("issuer", "wrong issuer: the registry has %q, and Dockit is %q; set REGISTRY_AUTH_TOKEN_ISSUER at the registry to that", d.issuer, d.pki.Issuer)
		} else {
			d.findings.good("issuer", "both have %q", d.issuer)
		}
	}
	if d.bundle != "" {
		err := d.checkFile(raw, service)
		switch {
		case errors.Is(err, errCarriesCertificate):
			certain = true
			d.findings.bad("bundle", "%s: %v; %s", d.bundle, err, giveProfile(service, "jwks"))
		case err != nil:
			certain = true
			d.findings.bad("bundle", "%s: %v; fetch it with 'dockit init-container' and restart the registry", d.bundle, err)
		default:
			d.findings.good("bundle", "%s holds what this token was signed under", d.bundle)
		}
	}
	if certain {
		return
	}
	for _, cause := range d.possible(raw, service) {
		d.findings.maybe("cause", "%s", cause)
	}
}

// possible lists what may be wrong, the likeliest first.
func (d *doctor) possible(raw, service string) []string {
	var causes []string
	if d.bundle != "" && d.issuer != "" {
		causes = append(causes, "issuer and bundle are right, and the registry runs with older ones: it reads both when it starts, so restart it")
	}
	if d.issuer == "" {
		causes = append(causes, fmt.Sprintf("wrong issuer: REGISTRY_AUTH_TOKEN_ISSUER at the registry must be %q (--issuer tells this command what it is)", d.pki.Issuer))
	}
	switch authority := d.authority(service); {
	case d.bundle != "":
	case authority != nil && d.wasSwitched():
		causes = append([]string{fmt.Sprintf("bundle older than the certificate authority in use, which has been in bundles since %s: a registry that started before that, or with a file from before, does not know it; fetch it again with 'dockit init-container' and restart the registry (--bundle makes this certain)",
			authority.CreatedAt.Local().Format(time.RFC3339))}, causes...)
	default:
		stale := "bundle from elsewhere: the file that the registry was started with must be that of this Dockit (--bundle tells this command which)"
		if authority == nil { // whose registries are to be given every new key
			causes = append([]string{stale}, causes...)
		} else {
			causes = append(causes, stale)
		}
	}
	switch profile := d.profile(service); {
	case profile == string(token.ProfileJWKS):
		causes = append(causes, "the registry is version 2.8, which refuses tokens that name their key by its ID alone: "+giveProfile(service, "x5c")+", and it the new bundle as REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE")
	case d.bundle == "" && profile == string(token.ProfileX5C):
		causes = append(causes, "the registry has REGISTRY_AUTH_TOKEN_JWKS without REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE, and refuses tokens that carry a certificate: "+giveProfile(service, "jwks"))
	}
	if algorithm := algorithmIn(raw); algorithm != "" && d.profile(service) != string(token.ProfileZot) {
		causes = append(causes, fmt.Sprintf("signingalgorithms at the registry does not name %s, with which this token is signed: add it there, or leave the setting out", algorithm))
	}
	return causes
}

func giveProfile(service, profile string) string {
	return fmt.Sprintf("give the service %q the profile %s in Dockit's Caddyfile", service, profile)
}

// profile is what Dockit makes the tokens of a service for.
func (d *doctor) profile(service string) string {
	for _, s := range d.pki.Services {
		if s.Name == service {
			return s.Profile
		}
	}
	return ""
}

// algorithmIn is the algorithm that a token was signed with.
func algorithmIn(raw string) string {
	parsed, err := registrytoken.Parse(raw)
	if err != nil {
		return ""
	}
	return cli.Visible(parsed.Header().Algorithm)
}

// authority is the one above the service's key in use, or nil.
func (d *doctor) authority(service string) *adminapi.Key {
	for i, key := range d.keys {
		if key.Purpose == "authority" && key.State == "active" {
			for _, s := range d.pki.Services {
				if s.Name == service && slices.Contains(s.Bundle, key.Fingerprint) {
					return &d.keys[i]
				}
			}
		}
	}
	return nil
}

// wasSwitched reports whether the authority in use is not the first one.
func (d *doctor) wasSwitched() bool {
	return slices.ContainsFunc(d.keys, func(k adminapi.Key) bool {
		return k.Purpose == "authority" && (k.State == "retired" || k.State == "revoked")
	})
}

var (
	errStaleFile          = errors.New("it is older than the key or certificate authority in use, or that of another Dockit")
	errCarriesCertificate = errors.New("it is a JWK set, and Dockit's tokens carry a certificate, which a registry that has REGISTRY_AUTH_TOKEN_JWKS without REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE refuses")
)

// checkFile reports why a registry with the file would refuse the token.
func (d *doctor) checkFile(raw, service string) error {
	content, err := trust.ReadRegular(d.bundle)
	if err != nil {
		return err
	}
	parsed, err := registrytoken.Parse(raw)
	if err != nil {
		return err
	}
	if json.Valid(content) {
		set, err := trust.ParseKeySet(content)
		if err != nil {
			return err
		}
		if d.profile(service) == string(token.ProfileX5C) {
			return errCarriesCertificate
		}
		if len(set.Key(parsed.Header().KeyID)) == 0 {
			return errStaleFile
		}
		return nil
	}
	if _, err := trust.CheckBundle(content, time.Now()); err != nil {
		return err
	}
	certificates, err := trust.ParseBundle(content)
	if err != nil {
		return err
	}
	for _, certificate := range certificates { // a token need not carry one of these
		if _, err := parsed.Signed.Verify(certificate.PublicKey); err == nil {
			return nil
		}
	}
	if !registrytoken.TrustIn(content).Verifies(parsed) {
		return errStaleFile
	}
	return nil
}
