package doctor

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/registrytoken"
	"github.com/dockit-registry/dockit/internal/cli/trust"
	"github.com/dockit-registry/dockit/internal/diagnosis"
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
			d.findings.bad("bundle", "%s: %v; %s", d.bundle, err, diagnosis.GiveProfile(service, "jwks"))
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
	refusal := diagnosis.Refusal{
		PKI: d.pki, Keys: d.keys, Service: service, Algorithm: algorithmIn(raw), IssuerIsRight: d.issuer != "", BundleIsRight: d.bundle != "",
	}
	for _, cause := range refusal.Causes() {
		d.findings.maybe("cause", "%s", cause)
	}
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
