// Package diagnosis says why a registry may refuse Dockit's tokens, by what Dockit
// knows of itself. It asks no server.
package diagnosis

import (
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
)

// Refusal is a registry that refuses the tokens of a service.
type Refusal struct {
	PKI     adminapi.PKI
	Keys    []adminapi.Key
	Service string
	// Algorithm is what its tokens are signed with, empty where that is not known.
	Algorithm string
	// IssuerIsRight and BundleIsRight are set when what the registry was given was
	// looked at.
	IssuerIsRight, BundleIsRight bool
}

// Causes lists what may be wrong, the likeliest first. One of them is, of all that
// are possible.
func (r Refusal) Causes() []string {
	var causes []string
	if r.BundleIsRight && r.IssuerIsRight {
		causes = append(causes, "issuer and bundle are right, and the registry runs with older ones: it reads both when it starts, so restart it")
	}
	if !r.IssuerIsRight {
		causes = append(causes, fmt.Sprintf("wrong issuer: REGISTRY_AUTH_TOKEN_ISSUER at the registry must be %q (--issuer tells the doctor what it is)", r.PKI.Issuer))
	}
	switch authority := r.authority(); {
	case r.BundleIsRight:
	case authority != nil && r.wasSwitched():
		causes = append([]string{fmt.Sprintf("bundle older than the certificate authority in use, which has been in bundles since %s: a registry that started before that, or with a file from before, does not know it; fetch it again with 'dockit init-container' and restart the registry (--bundle makes this certain)",
			authority.CreatedAt.Local().Format(time.RFC3339))}, causes...)
	default:
		stale := "bundle from elsewhere: the file that the registry was started with must be that of this Dockit (--bundle tells the doctor which)"
		if authority == nil { // whose registries are to be given every new key
			causes = append([]string{stale}, causes...)
		} else {
			causes = append(causes, stale)
		}
	}
	switch r.profile() {
	case "jwks":
		causes = append(causes, "the registry is version 2.8, which refuses tokens that name their key by its ID alone: "+GiveProfile(r.Service, "x5c")+", and it the new bundle as REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE")
	case "x5c":
		if !r.BundleIsRight {
			causes = append(causes, "the registry has REGISTRY_AUTH_TOKEN_JWKS without REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE, and refuses tokens that carry a certificate: "+GiveProfile(r.Service, "jwks"))
		}
	}
	if r.Algorithm != "" && r.profile() != "zot" {
		causes = append(causes, fmt.Sprintf("signingalgorithms at the registry does not name %s, with which this token is signed: add it there, or leave the setting out", r.Algorithm))
	}
	return causes
}

// GiveProfile says how a service gets another profile.
func GiveProfile(service, profile string) string {
	return fmt.Sprintf("give the service %q the profile %s in Dockit's Caddyfile", service, profile)
}

// service is the one that Dockit has of that name, or nil.
func (r Refusal) service() *adminapi.Service {
	at := slices.IndexFunc(r.PKI.Services, func(s adminapi.Service) bool { return s.Name == r.Service })
	if at < 0 {
		return nil
	}
	return &r.PKI.Services[at]
}

// profile is what Dockit makes the tokens of the service for.
func (r Refusal) profile() string {
	if service := r.service(); service != nil {
		return service.Profile
	}
	return ""
}

// authority is the one above the service's key in use, or nil.
func (r Refusal) authority() *adminapi.Key {
	service := r.service()
	if service == nil {
		return nil
	}
	at := slices.IndexFunc(r.Keys, func(k adminapi.Key) bool {
		return k.Purpose == "authority" && k.State == "active" && slices.Contains(service.Bundle, k.Fingerprint)
	})
	if at < 0 {
		return nil
	}
	return &r.Keys[at]
}

// wasSwitched reports whether the authority in use is not the first one.
func (r Refusal) wasSwitched() bool {
	return slices.ContainsFunc(r.Keys, func(k adminapi.Key) bool {
		return k.Purpose == "authority" && (k.State == "retired" || k.State == "revoked")
	})
}
