package administration

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/diagnosis"
)

// keysData is what the page of keys shows.
type keysData struct {
	// Issuer is the name in every token.
	Issuer   string
	Services []signedService
	// InUse are the keys that sign or will, and the authorities above them; Past are
	// the others.
	InUse, Past []adminapi.Key
}

// signedService is a service, with what its tokens are signed by.
type signedService struct {
	adminapi.Service
	// Signs is the key in use, nil for none, and Next the one after it.
	Signs, Next *adminapi.Key
	// Trusted are the keys and authorities in the bundle of its registries.
	Trusted []trustedKey
	// Causes are why a registry may refuse its tokens, the likeliest first, and Doctor is
	// the command that finds out which it is.
	Causes []string
	Doctor string
	// Examined is set where Dockit knows where the registry is, and can ask it.
	Examined bool
}

// trustedKey is a certificate of a bundle. ID is empty when its key is not known.
type trustedKey struct{ ID, Purpose, State, Fingerprint string }

func (h *pages) showKeys(v *frame.Visit) error {
	var pki adminapi.PKI
	if err := v.API(http.MethodGet, "/pki", nil, &pki); err != nil {
		return err
	}
	keys, err := keysOf(v)
	if err != nil {
		return err
	}
	data := keysData{Issuer: pki.Issuer}
	for _, service := range pki.Services {
		s := signedService{Service: service, Signs: signerOf(service, keys, "active"), Next: signerOf(service, keys, "waiting")}
		for _, fingerprint := range service.Bundle {
			s.Trusted = append(s.Trusted, trustedIn(keys, fingerprint))
		}
		s.Causes = causes(pki, keys, service)
		s.Examined = h.Registries[service.Name].Registry != nil
		s.Doctor = frame.Command(v.Request, "pki doctor", "--registry", h.registryOf(v, service.Name))
		data.Services = append(data.Services, s)
	}
	for _, key := range slices.Backward(keys) { // the newest first
		if key.State == "active" || key.State == "waiting" {
			data.InUse = append(data.InUse, key)
		} else {
			data.Past = append(data.Past, key)
		}
	}
	return v.Render("keys", "Keys", data)
}

// causes are why a registry may refuse the tokens of a service.
func causes(pki adminapi.PKI, keys []adminapi.Key, service adminapi.Service) []string {
	refusal := diagnosis.Refusal{PKI: pki, Keys: keys, Service: service.Name}
	if signs := signerOf(service, keys, "active"); signs != nil {
		refusal.Algorithm = signs.Algorithm
	}
	return refusal.Causes()
}

// keysOf are all that there are, the oldest first: they are few.
func keysOf(v *frame.Visit) ([]adminapi.Key, error) {
	var list adminapi.List[adminapi.Key]
	err := v.API(http.MethodGet, "/pki/keys?limit=1000", nil, &list)
	return list.Items, err
}

// signerOf is the key in a state that signs for a service: one of its own, or else
// that of its profile.
func signerOf(service adminapi.Service, keys []adminapi.Key, state string) *adminapi.Key {
	purpose := "shared"
	if service.Profile == "jwks" {
		purpose = "kid-only"
	}
	var found *adminapi.Key
	for i, key := range keys {
		switch {
		case key.State != state:
		case key.Purpose == "own" && key.Service == service.Name:
			return &keys[i]
		case key.Purpose == purpose:
			found = &keys[i]
		}
	}
	return found
}

func trustedIn(keys []adminapi.Key, fingerprint string) trustedKey {
	at := slices.IndexFunc(keys, func(k adminapi.Key) bool { return k.Fingerprint == fingerprint })
	if at < 0 {
		return trustedKey{Fingerprint: fingerprint}
	}
	return trustedKey{keys[at].ID, keys[at].Purpose, keys[at].State, fingerprint}
}

// registryOf is where the registry of a service is likely to be.
func (h *pages) registryOf(v *frame.Visit, service string) string {
	registry := h.Registries[service]
	switch host := registry.ClientHost(service, ""); {
	case host == service:
		return "https://" + service
	case registry.Proxied:
		return frame.BaseURL(v.Request)
	case host != "" && registry.URL != nil:
		return registry.URL.Scheme + "://" + host
	case host != "":
		return "https://" + host
	default:
		return "https://REGISTRY"
	}
}

// rotationData is what a rotation, or a revocation, has changed.
type rotationData struct {
	adminapi.Rotation
	// Revoked is the key that was declared unfit, nil for a rotation.
	Revoked *adminapi.Key
	// Before says until when registries are to be seen to that go on to work.
	Before string
}

func (h *pages) rotateKeys(v *frame.Visit) error {
	service := v.PostFormValue("service")
	data := rotationData{Before: "before the same is done five times more"}
	if err := v.API(http.MethodPost, "/pki/rotate", adminapi.RotationRequest{Service: service}, &data.Rotation); err != nil {
		return err
	}
	return v.Render("rotation", "Keys are replaced", data)
}

func (h *pages) rotateAuthority(v *frame.Visit) error {
	data := rotationData{Before: "before the authority is switched again"}
	asked := adminapi.AuthorityRotationRequest{Force: v.PostFormValue("force") == "true"}
	if err := v.API(http.MethodPost, "/pki/rotate-ca", asked, &data.Rotation); err != nil {
		return err
	}
	return v.Render("rotation", "The authority is switched", data)
}

// keyOf is one by its id.
func keyOf(v *frame.Visit) (adminapi.Key, error) {
	keys, err := keysOf(v)
	if err != nil {
		return adminapi.Key{}, err
	}
	at := slices.IndexFunc(keys, func(k adminapi.Key) bool { return k.ID == v.PathValue("id") })
	if at < 0 {
		return adminapi.Key{}, frame.NotFound("there is no such key any more: see the list of keys")
	}
	return keys[at], nil
}

// keyToRevoke is a key, and the command that revokes it.
type keyToRevoke struct {
	adminapi.Key
	Command string
}

// revokeCommand takes ids that look like a flag.
func revokeCommand(r *http.Request, id string) string {
	if strings.HasPrefix(id, "-") {
		return frame.Command(r, "pki revoke") + " -- " + id
	}
	return frame.Command(r, "pki revoke", id)
}

func (h *pages) askToRevokeKey(v *frame.Visit) error {
	key, err := keyOf(v)
	if err != nil {
		return err
	}
	return v.Render("keyrevoke", "Revoke a key", keyToRevoke{key, revokeCommand(v.Request, key.ID)})
}

func (h *pages) revokeKey(v *frame.Visit) error {
	key, err := keyOf(v)
	if err != nil {
		return err
	}
	data := rotationData{Revoked: &key}
	if err := v.API(http.MethodPost, "/pki/keys/"+url.PathEscape(key.ID)+"/revoke", nil, &data.Rotation); err != nil {
		return err
	}
	return v.Render("rotation", "The key is revoked", data)
}
