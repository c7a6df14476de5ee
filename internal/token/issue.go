package token

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

const (
	// MinTTL is the shortest life of a token. Clients take anything shorter
	// for a minute.
	MinTTL = time.Minute

	// backdating makes a token valid for registries whose clocks are behind.
	// zot allows no leeway of its own.
	backdating = 10 * time.Second
)

// Config is what all tokens of a service have in common.
type Config struct {
	// Issuer is what the registry has as REGISTRY_AUTH_TOKEN_ISSUER.
	Issuer string
	// Service is what it has as REGISTRY_AUTH_TOKEN_SERVICE. It becomes the
	// audience.
	Service string
	// Profile is how the tokens name their key.
	Profile Profile
	// TTL is how long they are valid, in whole seconds. Less than [MinTTL]
	// means that.
	TTL time.Duration
	// Share has who asks for the very same within a second get the very same
	// token, signed once; but for its ID, it is what another one would be.
	Share bool
}

// Issuer issues the tokens of one service. It is safe for concurrent use.
type Issuer struct {
	profile  Profile
	ttl      time.Duration
	constant constantClaims
	// signer is that of the key that was used last. Keys change rarely.
	signer atomic.Pointer[signer]
	shared *sharedTokens // or nil
}

// NewIssuer makes one.
func NewIssuer(c Config) *Issuer {
	i := &Issuer{profile: c.Profile, ttl: max(c.TTL, MinTTL).Truncate(time.Second), constant: newConstantClaims(c.Issuer, c.Service)}
	if c.Share {
		i.shared = new(sharedTokens)
	}
	return i
}

// Request is what goes into one token.
type Request struct {
	// Subject is the name of the subject that asked, empty for an anonymous request.
	Subject string
	// Access is what was granted.
	Access []access.Scope
	// Now is the time by which the token is issued. Default: by the clock of this
	// machine.
	Now time.Time
}

// Issued is a signed token and what a client is told about it.
type Issued struct {
	// Token is the JWT in its compact form.
	Token string
	// IssuedAt is now, in UTC and without a fraction of a second, so that it
	// is never ahead of real time.
	IssuedAt time.Time
	// ExpiresIn is the number of seconds from IssuedAt to the end of the
	// token, at least 60.
	ExpiresIn int
}

// Issue makes and signs a token that is valid from now. Only its ID distinguishes it from
// another one of the same second for the same request.
func (i *Issuer) Issue(key *pki.SigningKey, request Request) (Issued, error) {
	signer := i.signer.Load()
	if signer == nil || signer.key != key {
		var err error
		if signer, err = newSigner(key, i.profile); err != nil {
			return Issued{}, err
		}
		i.signer.Store(signer)
	}
	now := request.Now
	if now.IsZero() {
		now = time.Now()
	}
	now = now.UTC().Truncate(time.Second)
	issued := Issued{IssuedAt: now, ExpiresIn: int(i.ttl / time.Second)}
	payload := claims{
		subject:   request.Subject,
		expiresAt: now.Add(i.ttl).Unix(),
		notBefore: now.Add(-backdating).Unix(),
		access:    request.Access,
	}
	room := payloads.Get().(*[]byte)
	defer putBack(room)
	var nameless string
	if i.shared != nil {
		*room = i.constant.append((*room)[:0], &payload)
		var found bool
		if issued.Token, found = i.shared.find(signer, now.Unix(), *room); found {
			return issued, nil
		}
		nameless = string(*room)
	}
	payload.id = rand.Text()
	*room = i.constant.append((*room)[:0], &payload)
	var err error
	if issued.Token, err = signer.sign(room); err != nil {
		return Issued{}, err
	}
	if i.shared != nil {
		i.shared.keep(signer, now.Unix(), nameless, issued.Token)
	}
	return issued, nil
}

// payloads are where the payloads of tokens are written, one after the other.
var payloads = sync.Pool{New: func() any {
	const usual = 2 << 10
	room := make([]byte, 0, usual)
	return &room
}}

// putBack keeps the room of a payload, unless that was uncommonly long.
func putBack(room *[]byte) {
	const most = 32 << 10
	if cap(*room) <= most {
		payloads.Put(room)
	}
}
