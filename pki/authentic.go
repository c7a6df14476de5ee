package pki

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrUnsealed is returned when a private key in the store stands in the clear
// although an encryption key was given: somebody who has no encryption key has
// put it there, or encryption was off until now, see [Options.SealExisting].
var ErrUnsealed = errors.New("private keys in the database are not encrypted, although an encryption key is configured")

// authenticate writes down that the record is as this node wants it. Who can
// write to the database, but has no encryption key, can not do the same.
func (s sealer) authenticate(record *Record) {
	record.MAC = nil
	if len(s.keys) > 0 {
		record.MAC = s.keys[0].mac(record)
	}
}

// authentic reports whether a node with one of the encryption keys has written
// the record as it is. Without encryption keys the database is believed.
func (s sealer) authentic(record *Record) bool {
	for _, key := range s.keys {
		if hmac.Equal(record.MAC, key.mac(record)) {
			return true
		}
	}
	return len(s.keys) == 0
}

// adopts reports whether a record that nobody has sealed or authenticated is to
// be believed all the same.
func (s sealer) adopts(record *Record) bool {
	return s.adopt && record.Sealing == "" && len(record.MAC) == 0
}

// mac covers all of a record but itself: also what a record without a private
// key says, for its certificate may be one that registries are told to trust.
func (k EncryptionKey) mac(record *Record) []byte {
	at := func(t time.Time) []byte {
		if t.IsZero() {
			return nil
		}
		return fmt.Appendf(nil, "%d", t.UnixMicro())
	}
	hash := hmac.New(sha256.New, k.macKey)
	for _, field := range [][]byte{
		[]byte("dockit pki record 1"),
		[]byte(record.ID), []byte(record.Purpose), []byte(record.Service), []byte(record.Issuer),
		record.Certificate, record.PrivateKey, []byte(record.Sealing), fmt.Append(nil, record.Brought),
		at(record.CreatedAt), at(record.ActiveFrom), at(record.RetiredAt), at(record.RevokedAt),
	} {
		fmt.Fprintf(hash, "%d:", len(field))
		hash.Write(field)
	}
	return hash.Sum(nil)
}

// checkPrivateKeyless decides about a record without a private key. Nothing
// in it is secret, so that anybody could have written it.
func (e *entry) checkPrivateKeyless(seals sealer) {
	e.unproven = !seals.authentic(&e.Record) && !seals.adopts(&e.Record)
}

// checkSealed decides about a record whose private key was opened. One that
// was sealed before records were authenticated has no MAC. Its private key is
// genuine, and its certificate is proven by a signature that takes a genuine
// private key as well: its own, or that of the authority above it.
func (e *entry) checkSealed(seals sealer) error {
	switch {
	case seals.authentic(&e.Record), seals.adopts(&e.Record):
		return nil
	case len(e.MAC) > 0:
		return fmt.Errorf("%w: the record of key %s", ErrTampered, clip(e.ID))
	case e.Purpose == Shared:
		e.unproven = true // until its authority proves it
		return nil
	default:
		if err := e.cert.CheckSignature(e.cert.SignatureAlgorithm, e.cert.RawTBSCertificate, e.cert.Signature); err != nil {
			return fmt.Errorf("%w: the certificate of key %s", ErrTampered, clip(e.ID))
		}
		return nil
	}
}

// prove looks for what proves the records that do not prove themselves: the
// authorities of the store whose private key is genuine, and the file of this
// node.
func (k keyring) prove(brought *pair) {
	for _, e := range k {
		if !e.unproven {
			continue
		}
		if brought != nil && e.Brought && e.Purpose == Authority && e.cert.Equal(brought.cert) {
			e.unproven = false
		}
		if e.Purpose != Shared || len(e.PrivateKey) == 0 {
			continue
		}
		var authorities []*x509.Certificate
		if issuer := k.find(e.Issuer); issuer != nil && issuer.Purpose == Authority && issuer.signer != nil && !issuer.unproven {
			authorities = append(authorities, issuer.cert)
		}
		if brought != nil && brought.cert.IsCA {
			authorities = append(authorities, brought.cert)
		}
		for _, authority := range authorities {
			if e.cert.CheckSignatureFrom(authority) == nil {
				e.unproven = false
			}
		}
	}
}

// unprovenError names a key that is not believed, unless it says itself that it
// is out of use.
func (k keyring) unprovenError() error {
	for _, e := range k {
		if e.unproven && !e.revoked() && e.RetiredAt.IsZero() {
			return fmt.Errorf("%w: nobody with the encryption key has written the record of key %s, for purpose %s, with the certificate sha256:%s: it is not used, and registries are not told to trust it",
				ErrTampered, clip(e.ID), e.Purpose, Fingerprint(e.cert))
		}
	}
	return nil
}
