package pki

import "errors"

var (
	// ErrNoSigningKey is returned when no key may sign at the moment: the
	// brought certificate has run out, or the database cannot be asked
	// whether the keys this node knows still hold.
	ErrNoSigningKey = errors.New("no key can sign tokens")
	// ErrKeyInUse is returned when a brought key is one that Dockit made for
	// another purpose.
	ErrKeyInUse = errors.New("key is in use for another purpose")
	// ErrRevoked is returned when a brought certificate was revoked before.
	ErrRevoked = errors.New("certificate was revoked; bring another key")
	// ErrSharedKey is returned when a service that trusts exactly one key
	// would share it with others.
	ErrSharedKey = errors.New("service needs a signing key that no other service shares")
	// ErrUnknownKey is returned for the ID of a key that is not there.
	ErrUnknownKey = errors.New("no such key")
	// ErrBrought is returned for an operation on a key that was brought along
	// in a file: only a new file replaces it.
	ErrBrought = errors.New("key comes from a file")
)
