// Package pki holds the keys that sign registry tokens and publishes what
// registries need in order to trust them.
//
// A registry reads its trust once, when it starts. So what it is given does
// not change often: a certificate authority that serves nothing else, and the
// one that will follow it. The keys that sign tokens live for days under that
// authority, and each token carries the certificate of the key that signed it.
//
// A [Ring] is what the rest of Dockit uses. It either makes its keys by itself
// and keeps them in a [Store], or takes a key and certificate from a file.
package pki

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// DefaultLeafLife is how long a signing certificate is valid unless
	// [Options.LeafLife] says otherwise.
	DefaultLeafLife = 7 * 24 * time.Hour

	// DefaultTokenTTL is the longest lifetime of a token unless
	// [Options.MaxTokenTTL] says otherwise.
	DefaultTokenTTL = 5 * time.Minute

	// margin is what a certificate lives on after the last token signed with
	// it has expired: registries allow a minute, and clocks differ.
	margin = 2 * time.Minute
)

// errLeafLife is returned when signing certificates would not live long enough
// to be replaced in time.
var errLeafLife = errors.New("life of signing certificates is too short")

// Options say how a [Ring] makes and keeps its keys. The zero value is good
// for one service that takes certificates with its tokens.
type Options struct {
	// KeyType is the type of the keys that sign tokens; default [EC256].
	// Authorities are always [EC256]. When it changes, the next start
	// replaces the shared signing key.
	KeyType KeyType

	// LeafLife is how long a signing certificate under an authority is valid;
	// default [DefaultLeafLife]. It is replaced at two thirds of that.
	LeafLife time.Duration

	// MaxTokenTTL is the longest lifetime of a token of any service; default
	// [DefaultTokenTTL]. A key is kept that long, and two minutes, after it
	// signed for the last time. LeafLife is at least three times as much.
	MaxTokenTTL time.Duration

	// Services are the services that take a certificate with each token. Only
	// the advice that [Ring.RotateAuthority] gives depends on it.
	Services []string

	// KidOnly are the services whose tokens name their key by its ID alone.
	// They share keys that are published years before they are used.
	KidOnly []string

	// Own are the services that have a key no other service shares, and trust
	// exactly one certificate.
	Own []string

	// EncryptionKeys seal private keys in the store: the first one seals, and
	// every one opens. None leaves them in the clear.
	EncryptionKeys []EncryptionKey

	// SealExisting takes keys that stand in the clear over when the ring is
	// made, and seals them: encryption is turned on for a store that is in
	// use. It needs EncryptionKeys, and belongs to one start only: else who
	// can write to the store could put another key into it. Without it, such
	// keys are [ErrUnsealed].
	SealExisting bool

	// PollInterval is how often a change by another node is looked for;
	// default one second.
	PollInterval time.Duration

	// ServeStale is how long keys sign while the store does not answer, in
	// addition to the few seconds that they do anyway; default not at all.
	ServeStale time.Duration

	// Observe is called for each key that this node replaced, once that counts. It
	// must not block. Default: nothing is called.
	Observe func(Replaced)

	// Now is the clock; default [time.Now].
	Now func() time.Time

	// MayForget reports whether what is too old may be removed: not while the
	// clock is in doubt. Default: it always may.
	MayForget func() bool
}

// withDefaults fills in what is left out, and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.KeyType == "" {
		o.KeyType = EC256
	}
	if o.LeafLife == 0 {
		o.LeafLife = DefaultLeafLife
	}
	if o.MaxTokenTTL == 0 {
		o.MaxTokenTTL = DefaultTokenTTL
	}
	if o.PollInterval == 0 {
		o.PollInterval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MayForget == nil {
		o.MayForget = func() bool { return true }
	}
	if o.Observe == nil {
		o.Observe = func(Replaced) {}
	}
	if _, err := ParseKeyType(string(o.KeyType)); err != nil {
		return o, err
	}
	if least := 3 * (o.MaxTokenTTL + margin); o.LeafLife < least {
		return o, fmt.Errorf("%w: %s; with tokens that live for %s it takes at least %s",
			errLeafLife, o.LeafLife, o.MaxTokenTTL, least)
	}
	if o.SealExisting && len(o.EncryptionKeys) == 0 {
		return o, errors.New("seal the keys that exist: that takes an encryption key")
	}
	for _, service := range o.Own {
		if slices.Contains(o.KidOnly, service) || slices.Contains(o.Services, service) {
			return o, fmt.Errorf("service %q cannot both share a key and have one of its own", printable.Clip(service))
		}
	}
	return o, nil
}

// verification is how long a key is kept after it signed for the last time.
func (o Options) verification() time.Duration { return o.MaxTokenTTL + margin }

var (
	// errNoSigningKey is returned when no key may sign at the moment: the
	// external certificate has run out, or the database cannot be asked
	// whether the keys this node knows still hold.
	errNoSigningKey = errors.New("no key can sign tokens")
	// errKeyInUse is returned when an external key is one that Dockit made for
	// another purpose.
	errKeyInUse = errors.New("key is in use for another purpose")
	// errRevoked is returned when an external certificate was revoked before.
	errRevoked = errors.New("certificate was revoked; bring another key")
	// ErrUnknownKey is returned for the ID of a key that is not there.
	ErrUnknownKey = errors.New("no such key")
	// ErrExternal is returned for an operation on a key that was brought along
	// in a file: only a new file replaces it.
	ErrExternal = errors.New("key comes from a file")
)

// Check says what a ring of these options, and of these files unless they are
// nil, would be refused for, as far as that does not take a look at its store:
// nothing is made or changed. content is what the files hold, for [Ring.Reload].
func Check(files *Files, options Options) (content Digest, err error) {
	options, err = options.withDefaults()
	if err != nil || files == nil {
		return content, err
	}
	r := &Ring{options: options, files: files}
	if err := r.loadFirst(); err != nil {
		return content, err
	}
	return r.external.content, nil
}
