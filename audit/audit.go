// Package audit describes what was changed by whom, as entries of a chain: the
// hash of each covers its content and the hash of the one before. An entry that
// is removed or altered breaks the chain at its place.
//
// With access to the database, all of the chain can be written anew. Against that, keep the hash of the newest entry elsewhere from time to
// time and compare: a chain that held it once must hold it for ever.
//
// The package is pure: it opens no file and no database.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

// Action is what was done.
type Action string

// The actions of an [Entry].
const (
	Create Action = "create"
	Update Action = "update"
	Remove Action = "remove"
	// SetPassword is a new password, in itself or beside other changes.
	SetPassword  Action = "set-password"
	AddMember    Action = "add-member"
	RemoveMember Action = "remove-member"
	Grant        Action = "grant"
	Revoke       Action = "revoke"
	// Apply is what a declared state changed of a subject.
	Apply Action = "apply"
	// RotateKeys, RotateAuthority and RevokeKey change what signs tokens.
	RotateKeys      Action = "rotate-keys"
	RotateAuthority Action = "rotate-ca"
	RevokeKey       Action = "revoke-key"
	// CreateToken and RotateToken are about access tokens, RevokeToken about
	// refresh tokens as well.
	CreateToken Action = "create-token"
	RotateToken Action = "rotate-token"
	RevokeToken Action = "revoke-token"
	// ClearLockout forgets wrong passwords, so that the next is looked at again.
	ClearLockout Action = "clear-lockout"
	// LoginFailed is a login to the admin API with wrong credentials.
	LoginFailed Action = "login-failed"
	// LoginDenied is a login to the admin API by a subject that is no admin.
	LoginDenied Action = "login-denied"
	// RefreshIssuer is other keys that a trusted issuer published.
	RefreshIssuer Action = "refresh-issuer"
	// DeleteImage is an image that a user deleted at the page, with all of its tags. What
	// clients delete by themselves, with a registry token, is not in the audit.
	DeleteImage Action = "delete-image"
	// RequestRefused is a request to the admin API, by a caller that may log in
	// there, that is malformed, not permitted or one too many.
	RequestRefused Action = "request-refused"
)

// Actions lists every action.
var Actions = []Action{
	Create, Update, Remove, SetPassword, AddMember, RemoveMember, Grant, Revoke, Apply,
	RotateKeys, RotateAuthority, RevokeKey, CreateToken, RotateToken, RevokeToken, ClearLockout, LoginFailed, LoginDenied,
	RequestRefused, RefreshIssuer, DeleteImage,
}

// Refusal reports whether the action changed nothing, because it was refused.
// Of these one entry counts all of a subject and network in a minute.
func (a Action) Refusal() bool { return a == LoginFailed || a == LoginDenied || a == RequestRefused }

// Event is what happened, before it has its place in the chain.
type Event struct {
	Action Action `json:"action"`
	// Actor is the subject that did it. It is empty when that is not known, and
	// for what Dockit does by itself.
	Actor Name `json:"actor"`
	// Address is the IP address that the request came from, empty for what did
	// not come over the network.
	Address string `json:"address,omitempty"`
	// Subject is what it was done to.
	Subject Name `json:"subject"`
	// Before and After hold what changed, never a secret. Null: nothing.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Name is a reference to a subject that may be unknown, and need not exist any
// more, or to a trusted issuer or a binding. It is written as user:alice,
// issuer:github or binding:app-main, or as an empty string.
type Name string

// The kinds of names that are no subjects.
const (
	issuerKind  = "issuer"
	bindingKind = "binding"
)

// IssuerName is that of a trusted issuer.
func IssuerName(name string) Name { return Name(issuerKind + ":" + name) }

// BindingName is that of a binding.
func BindingName(name string) Name { return Name(bindingKind + ":" + name) }

// ParseName reads a name that is not empty. Errors: [subject.ErrInvalidKind],
// [subject.ErrInvalidName].
func ParseName(s string) (Name, error) {
	kind, name, _ := strings.Cut(s, ":")
	if kind == issuerKind || kind == bindingKind {
		return Name(s), subject.ValidateName(name)
	}
	ref, err := subject.ParseRef(s)
	return NameOf(ref), err
}

// NameOf writes the reference to a subject.
func NameOf(ref subject.Ref) Name {
	if ref == (subject.Ref{}) {
		return ""
	}
	return Name(ref.String())
}

// Entry is an event in its place in the chain.
type Entry struct {
	// Sequence counts from 1, without a gap.
	Sequence int64 `json:"sequence"`
	// At is when it happened, to the microsecond: the hash covers no more of it.
	At time.Time `json:"at"`
	Event
	// Previous is the hash of the entry before, empty for the first.
	Previous string `json:"previous"`
	// Hash is [Entry.Digest].
	Hash string `json:"hash"`
}

// Digest is the hash that the entry must have: SHA-256, in hexadecimal, of
// everything else that it holds, each field with its length before it.
func (e Entry) Digest() string {
	hash := sha256.New()
	put := func(field []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		hash.Write(length[:])
		hash.Write(field)
	}
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], uint64(e.Sequence))
	binary.BigEndian.PutUint64(numbers[8:], uint64(e.At.UnixMicro()))
	put(numbers[:])
	for _, field := range []string{e.Previous, string(e.Action), string(e.Actor), e.Address, string(e.Subject)} {
		put([]byte(field))
	}
	put(e.Before)
	put(e.After)
	return hex.EncodeToString(hash.Sum(nil))
}

var (
	// ErrGap is returned when an entry is missing before another.
	ErrGap = errors.New("entries are missing")
	// ErrAltered is returned for an entry that does not have its hash, or does
	// not follow the one before.
	ErrAltered = errors.New("the entry was altered")
	// ErrCut is returned when the newest entries are missing.
	ErrCut = errors.New("the newest entries are missing")
)

// Chain follows a chain: the zero value from its first entry, [After] from a
// later one. It is for one goroutine.
type Chain struct {
	sequence int64
	hash     string
}

// After follows a chain from an entry on that is known.
func After(known Head) Chain { return Chain{sequence: known.Sequence, hash: known.Hash} }

// Next takes the next entry. Errors: [ErrGap], [ErrAltered].
func (c *Chain) Next(e Entry) error {
	switch {
	case e.Sequence != c.sequence+1:
		return fmt.Errorf("%w: %d follows %d", ErrGap, e.Sequence, c.sequence)
	case e.Previous != c.hash:
		return fmt.Errorf("%w: %d does not follow the one before it", ErrAltered, e.Sequence)
	case e.Hash != e.Digest():
		return fmt.Errorf("%w: %d does not have its hash", ErrAltered, e.Sequence)
	}
	c.sequence, c.hash = e.Sequence, e.Hash
	return nil
}

// End checks that the chain goes as far as the database says it does, or to an
// entry that was written down elsewhere. Errors: [ErrCut], [ErrAltered].
func (c *Chain) End(head Head) error {
	switch {
	case c.sequence < head.Sequence:
		return fmt.Errorf("%w: the last is %d, and there were %d", ErrCut, c.sequence, head.Sequence)
	case c.sequence == head.Sequence && c.hash != head.Hash:
		return fmt.Errorf("%w: %d is not the entry that was there", ErrAltered, c.sequence)
	}
	return nil
}

// Head is the newest entry that the chain has followed.
func (c *Chain) Head() Head { return Head{c.sequence, c.hash} }

// Head names the newest entry of a chain. The zero value is that of an empty one.
type Head struct {
	Sequence int64  `json:"sequence"`
	Hash     string `json:"hash"`
}

// String writes the head as [ParseHead] reads it.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Sequence, h.Hash) }

// ParseHead reads a head that was written down elsewhere, as [Head.String] wrote
// it. The zero head is none.
func ParseHead(s string) (Head, error) {
	sequence, hash, _ := strings.Cut(s, ":")
	number, err := strconv.ParseInt(sequence, 10, 64)
	h := Head{number, hash}
	if digest, herr := hex.DecodeString(hash); err != nil || herr != nil || len(digest) != sha256.Size || number < 1 || h.String() != s {
		return Head{}, fmt.Errorf("%.80q is no head of an audit: write <sequence>:<hash>", s)
	}
	return h, nil
}
