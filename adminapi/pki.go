package adminapi

import (
	"encoding/json"
	"time"
)

// PKI is what registries have to be configured with.
type PKI struct {
	Issuer   string    `json:"issuer" doc:"The name in every token: REGISTRY_AUTH_TOKEN_ISSUER at the registries."`
	Services []Service `json:"services" nullable:"false" doc:"The registries that tokens are issued for."`
	// Time is the time by which tokens are issued.
	Time time.Time `json:"time" doc:"The time by which tokens are issued: by the clock of the database."`
}

// Service is a registry that tokens are issued for.
type Service struct {
	Name    string `json:"name" doc:"Its REGISTRY_AUTH_TOKEN_SERVICE."`
	Profile string `json:"profile" enum:"x5c,jwks,zot" doc:"How its tokens name the key that signed them."`
	// TokenTTL is in seconds.
	TokenTTL int `json:"token_ttl" doc:"How long a token is valid, in seconds."`
	// Bundle are the fingerprints of what its registry must trust.
	Bundle []string `json:"bundle" nullable:"false" doc:"The SHA-256 fingerprints of the certificates in its bundle, the one in use first."`
}

// Key is a key that signs tokens, or an authority that such keys stand under.
// It holds nothing secret.
type Key struct {
	ID       string `json:"id" doc:"The RFC 7638 thumbprint of the public key: the kid of its tokens."`
	Purpose  string `json:"purpose" enum:"authority,shared,kid-only,own" doc:"An authority signs certificates of shared keys. Shared keys sign for services of the profile x5c, kid-only ones for jwks, own ones for a single service."`
	Service  string `json:"service,omitempty" doc:"The service that an own key belongs to."`
	State    string `json:"state" enum:"waiting,active,retired,revoked,unused" doc:"Waiting keys are published and not used yet; of retired ones the last tokens may still count; unused ones have no part in the configuration."`
	External bool   `json:"external,omitempty" doc:"The key comes from a file."`
	// Brought says the same.
	//
	// Deprecated: Read External.
	Brought bool   `json:"brought,omitempty" deprecated:"true" doc:"The same as external, by its former name."`
	Sealed  bool   `json:"sealed,omitempty" doc:"The private key is encrypted in the database."`
	Issuer  string `json:"issuer,omitempty" doc:"The id of the authority above the key."`

	Subject     string    `json:"subject" doc:"The distinguished name in the certificate."`
	Fingerprint string    `json:"fingerprint" doc:"The SHA-256 of the certificate in hexadecimal."`
	Algorithm   string    `json:"algorithm" doc:"The JWS name of its signatures."`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after" doc:"When the certificate ends."`
	CreatedAt   time.Time `json:"created_at" doc:"When the key was made or first seen."`
	ActiveFrom  time.Time `json:"active_from,omitzero" doc:"When the key takes over or took over. Absent while that is open."`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"When another key took over."`
	RevokedAt   time.Time `json:"revoked_at,omitzero" doc:"When the key was revoked."`
}

// UnmarshalJSON implements [json.Unmarshaler]. A server may know one name alone of
// what External and Brought say: both are set by either.
func (k *Key) UnmarshalJSON(data []byte) error {
	type plain Key
	if err := json.Unmarshal(data, (*plain)(k)); err != nil {
		return err
	}
	k.External = k.External || k.Brought
	k.Brought = k.External
	return nil
}

// RotationRequest says which keys to replace.
type RotationRequest struct {
	// Service is empty for every key whose successor registries know already.
	Service string `json:"service,omitempty" maxLength:"256" doc:"Replace the key of this service alone. Default: every key whose successor registries trust already."`
}

// AuthorityRotationRequest says how to switch to the next authority.
type AuthorityRotationRequest struct {
	Force bool `json:"force,omitempty" doc:"Switch although the next authority has been published for less than a day."`
}

// Rotation is what replacing a key, or revoking it, has changed.
type Rotation struct {
	Keys []Key `json:"keys" nullable:"false" doc:"Those now in use in place of others."`
	// Reload names services whose registries are to read the bundle again.
	Reload []string `json:"reload" nullable:"false" doc:"The services whose registries are to be given what they trust again, with a restart."`
	// ReloadNow: until then they refuse tokens.
	ReloadNow bool `json:"reload_now" doc:"Those registries refuse tokens until then. Else it is in time before the same is done once more."`
	// AcceptedUntil is zero where registries do not accept a revoked key by
	// themselves.
	AcceptedUntil time.Time `json:"accepted_until,omitzero" doc:"How long registries accept a revoked key by themselves, because they trust the authority above it."`
}
