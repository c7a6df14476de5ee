package pki

import (
	"context"
	"errors"
	"time"
)

// ErrConflict is returned by a [Store] when another node changed the keys
// since they were read.
var ErrConflict = errors.New("keys were changed by another node")

// Purpose is what a key in a [Store] is for.
type Purpose string

const (
	// Authority signs the certificates of signing keys and nothing else.
	Authority Purpose = "authority"
	// Shared signs the tokens of every service that takes a certificate with
	// each token. Its certificate stands under an authority.
	Shared Purpose = "shared"
	// KidOnly signs the tokens of services that know keys by their ID alone.
	KidOnly Purpose = "kid-only"
	// Own signs the tokens of one service, and of no other.
	Own Purpose = "own"
)

// Record is one key as a [Store] keeps it.
//
// A key waits until ActiveFrom is set and has come, then signs until a later
// one takes over, then is kept so that its last tokens can be verified.
type Record struct {
	// ID is the RFC 7638 thumbprint of the public key.
	ID string

	Purpose Purpose

	// Service is the one that an [Own] key belongs to, else empty.
	Service string

	// Issuer is the ID of the authority that signed the certificate, empty
	// when it is self-signed or was brought along.
	Issuer string

	// Certificate is in DER.
	Certificate []byte

	// PrivateKey is in PKCS#8, or that sealed. It is empty once the key has
	// no more use, and always for an authority that was brought along.
	PrivateKey []byte

	// Sealing names the encryption key that PrivateKey is sealed under, empty
	// when it stands in the clear.
	Sealing string

	// External is set on an authority that comes from a file.
	External bool

	// MAC authenticates the record under an encryption key. It is empty
	// without one.
	MAC []byte

	// CreatedAt is when the key was made or first seen.
	CreatedAt time.Time

	// ActiveFrom is when the key takes over from the one before. It is zero
	// as long as the key waits.
	ActiveFrom time.Time

	// RetiredAt is when another key took over, or zero.
	RetiredAt time.Time

	// RevokedAt is when an administrator declared the key unfit for use, or zero.
	RevokedAt time.Time
}

// Store keeps keys for every node of one Dockit.
//
// All keys together have one version, which each change increments. A node
// that changes them names the version it read, and starts again from what it
// then finds when it was not the first: so nodes agree without a leader.
type Store interface {
	// KeyVersion is the version of the keys. It is asked for every second.
	KeyVersion(ctx context.Context) (int64, error)

	// Keys returns every key, with the version they have together.
	Keys(ctx context.Context) (version int64, records []Record, err error)

	// ChangeKeys writes records, replacing those with the same ID, removes
	// those whose ID is in remove, and increments the version, all or nothing.
	// It returns [ErrConflict] when the version is not the given one any more.
	ChangeKeys(ctx context.Context, version int64, put []Record, remove []string) error
}
