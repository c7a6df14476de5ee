package pki

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// entry is a record with its certificate and key read.
type entry struct {
	Record
	cert *x509.Certificate
	// signer is nil when the private key is gone, or this node cannot open it.
	signer crypto.Signer
	// unproven is set when nothing shows that a node with the encryption key
	// wrote the record. Such a key is listed, and trusted with nothing.
	unproven bool
}

// waiting reports whether nothing says yet when the key takes over.
func (e *entry) waiting() bool {
	return e.ActiveFrom.IsZero() && e.RevokedAt.IsZero() && !e.unproven
}

// revoked reports whether the key is unfit for use.
func (e *entry) revoked() bool { return !e.RevokedAt.IsZero() }

// life is how long the certificate was meant to live.
func (e *entry) life() time.Duration { return e.cert.NotAfter.Sub(e.CreatedAt) }

// keyring is every key of the store, oldest first.
type keyring []*entry

func newKeyring(entries []*entry) keyring {
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return entries
}

// of returns the keys for one purpose, oldest first.
func (k keyring) of(purpose Purpose, service string) keyring {
	var out keyring
	for _, e := range k {
		if e.Purpose == purpose && e.Service == service {
			out = append(out, e)
		}
	}
	return out
}

// find returns the key with an ID, or nil.
func (k keyring) find(id string) *entry {
	for _, e := range k {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// usable leaves out what waits, is revoked, retired or unproven or has lost its
// private key, in the order in which the keys take over.
func (k keyring) usable() keyring {
	var out keyring
	for _, e := range k {
		signs := len(e.PrivateKey) > 0 || e.Brought
		if signs && !e.unproven && !e.waiting() && !e.revoked() && e.RetiredAt.IsZero() {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b *entry) int { return a.ActiveFrom.Compare(b.ActiveFrom) })
	return out
}

// waiting returns the keys that wait, oldest first.
func (k keyring) waiting() keyring {
	var out keyring
	for _, e := range k {
		if e.waiting() {
			out = append(out, e)
		}
	}
	return out
}

// current is the key in use at a time: the last one that took over. When none
// has yet, because another node's clock is ahead, it is the first that will.
func (k keyring) current(now time.Time) *entry {
	usable := k.usable()
	for _, e := range slices.Backward(usable) {
		if !e.ActiveFrom.After(now) {
			return e
		}
	}
	if len(usable) > 0 {
		return usable[0]
	}
	return nil
}

// readRecord reads the certificate and, where there is one, the private key.
// A private key that cannot be read is reported beside the rest of the entry.
func readRecord(record Record, seals sealer) (*entry, error) {
	cert, err := x509.ParseCertificate(record.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of key %s from the database: %w", clip(record.ID), err)
	}
	e := &entry{Record: record, cert: cert}
	if len(record.PrivateKey) == 0 {
		e.checkPrivateKeyless(seals)
		return e, nil
	}
	der, err := seals.open(&record)
	if err != nil {
		return e, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return e, fmt.Errorf("reading the private key %s from the database: %w", clip(record.ID), err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok || !samePublicKey(signer.Public(), cert.PublicKey) {
		return e, fmt.Errorf("%w of %q in the database", ErrKeyMismatch, cert.Subject)
	}
	if err := e.checkSealed(seals); err != nil {
		return e, err
	}
	e.signer = signer
	return e, nil
}

// newEntry makes a record of a new key.
func newEntry(purpose Purpose, service string, cert *x509.Certificate, signer crypto.Signer, seals sealer, now time.Time) (*entry, error) {
	id, err := thumbprint(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	e := &entry{
		Record: Record{ID: id, Purpose: purpose, Service: service, Certificate: cert.Raw, CreatedAt: now},
		cert:   cert,
		signer: signer,
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	seals.seal(&e.Record, der)
	return e, nil
}
