package pki

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// statementType keeps a statement from being taken for anything else that
	// the same keys sign, and the other way round.
	statementType = "dockit-trust+jws"
	// statementLife is how long a statement may be shown again.
	statementLife = 10 * time.Minute
	// statementReuse is how long one is served before it is signed anew.
	statementReuse = time.Minute
	// statementLeeway is how far apart the clocks of two machines may be.
	statementLeeway = 5 * time.Minute
	// maxStatementSignatures bounds the work of who checks one.
	maxStatementSignatures = 8
)

var (
	// errMalformedStatement is returned for something that is no statement.
	errMalformedStatement = errors.New("not a signed list of what registries are to trust")
	// errStatementExpired is returned for a statement from another time.
	errStatementExpired = errors.New("signed list of what registries are to trust is from another time")
	// errNotVouchedFor is returned for a statement that no trusted key signed.
	errNotVouchedFor = errors.New("no trusted key has signed the list of what registries are to trust")
)

// Statement is what a server says that the registry of a service is to trust,
// signed with the keys that registries trust already: so those who know the
// present certificates learn of the next ones over a line that an
// attacker may listen in on and change.
type Statement struct {
	// Certificates are those of the bundle.
	Certificates []*x509.Certificate
	// Keys is the JWK set.
	Keys jose.JSONWebKeySet

	issued, expires time.Time
	signed          *jose.JSONWebSignature
}

// statementPayload is what is signed.
type statementPayload struct {
	IssuedAt     int64              `json:"iat"`
	ExpiresAt    int64              `json:"exp"`
	Certificates [][]byte           `json:"certificates"` // DER
	Keys         jose.JSONWebKeySet `json:"jwks"`
}

// statements keeps what was signed a moment ago.
type statements struct {
	mu      sync.Mutex
	at      time.Time
	content []byte
}

// Statement is the bundle and the JWK set of a service, signed as a JWS in its
// JSON serialization. Read it with [ParseStatement]; do not change it.
func (r *Ring) Statement(service string) ([]byte, error) {
	return r.view.Load().of(service).statement(r.now())
}

func (t *trust) statement(now time.Time) ([]byte, error) {
	s := &t.statements
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.at); s.content != nil && 0 <= age && age < statementReuse {
		return s.content, nil
	}
	content, err := t.sign(now)
	if err != nil {
		return nil, fmt.Errorf("sign what registries are to trust: %w", err)
	}
	s.at, s.content = now, content
	return content, nil
}

func (t *trust) sign(now time.Time) ([]byte, error) {
	if len(t.signers) == 0 {
		return nil, errNoSigningKey
	}
	payload := statementPayload{
		IssuedAt: now.Unix(), ExpiresAt: now.Add(statementLife).Unix(),
		Certificates: [][]byte{}, Keys: t.keys,
	}
	for _, cert := range t.certs {
		payload.Certificates = append(payload.Certificates, cert.Raw)
	}
	content, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	var keys []jose.SigningKey
	for _, key := range t.signers[:min(len(t.signers), maxStatementSignatures)] {
		keys = append(keys, jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(key.Algorithm),
			Key:       jose.JSONWebKey{Key: key.Signer, KeyID: key.ID},
		})
	}
	signer, err := jose.NewMultiSigner(keys, new(jose.SignerOptions).WithType(statementType))
	if err != nil {
		return nil, err
	}
	signed, err := signer.Sign(content)
	if err != nil {
		return nil, err
	}
	return []byte(signed.FullSerialize()), nil
}

// vouch lets a key sign statements: one that verifies, and so is trusted by
// every registry that has the bundle or the key set.
func (b *trustBuilder) vouch(key *SigningKey) { b.trust.signers = append(b.trust.signers, key) }

// vouchAll does that with the keys of a series. A key that was replaced a moment
// ago is among them: for registries that trust single keys, it is the one that
// they know.
func (p *plan) vouchAll(b *trustBuilder, series keyring) error {
	for _, e := range series {
		if e.signer == nil || e.waiting() || !p.verifies(e) {
			continue
		}
		key, err := NewSigningKey(e.signer, e.cert)
		if err != nil {
			return err
		}
		b.vouch(key)
	}
	slices.Reverse(b.trust.signers) // the newest first
	return nil
}

// ParseStatement reads a statement. Who has signed it is not looked at: see
// [Statement.Verify].
func ParseStatement(content []byte) (*Statement, error) {
	signed, err := jose.ParseSignedJSON(string(content), []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.EdDSA})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformedStatement, err)
	}
	if n := len(signed.Signatures); n > maxStatementSignatures {
		return nil, fmt.Errorf("%w: it has %d signatures, more than %d", errMalformedStatement, n, maxStatementSignatures)
	}
	var payload statementPayload
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &payload); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformedStatement, err)
	}
	s := &Statement{
		Keys:   payload.Keys,
		issued: time.Unix(payload.IssuedAt, 0), expires: time.Unix(payload.ExpiresAt, 0), signed: signed,
	}
	for _, der := range payload.Certificates {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformedStatement, err)
		}
		s.Certificates = append(s.Certificates, cert)
	}
	for _, key := range s.Keys.Keys {
		if !key.Valid() || !key.IsPublic() {
			return nil, fmt.Errorf("%w: it names something else than a public key", errMalformedStatement)
		}
	}
	return s, nil
}

// Verify makes sure that a key signed the statement a short while ago that
// registries with these certificates, or these keys, trust.
func (s *Statement) Verify(anchors []*x509.Certificate, keys jose.JSONWebKeySet, now time.Time) error {
	if now.Add(statementLeeway).Before(s.issued) || now.After(s.expires.Add(statementLeeway)) || s.expires.Sub(s.issued) > statementLife {
		return fmt.Errorf("%w: it holds from %s to %s; compare the clocks", errStatementExpired,
			s.issued.UTC().Format(time.RFC3339), s.expires.UTC().Format(time.RFC3339))
	}
	roots := x509.NewCertPool()
	for _, anchor := range anchors {
		roots.AddCert(anchor)
	}
	for _, key := range s.Keys.Keys {
		if isAmong(key, keys) || stands(key, roots, now) {
			if s.signedBy(key) {
				return nil
			}
		}
	}
	return errNotVouchedFor
}

// signedBy reports whether a key made one of the signatures.
func (s *Statement) signedBy(key jose.JSONWebKey) bool {
	i, signature, _, err := s.signed.VerifyMulti(key.Key)
	if err != nil || i < 0 {
		return false
	}
	return signature.Protected.ExtraHeaders[jose.HeaderType] == statementType
}

// isAmong reports whether a key is one of a set.
func isAmong(key jose.JSONWebKey, set jose.JSONWebKeySet) bool {
	return slices.ContainsFunc(set.Keys, func(trusted jose.JSONWebKey) bool { return samePublicKey(trusted.Key, key.Key) })
}

// stands reports whether a key has a certificate that is an anchor, or stands
// under one.
func stands(key jose.JSONWebKey, roots *x509.CertPool, now time.Time) bool {
	if len(key.Certificates) == 0 || !samePublicKey(key.Certificates[0].PublicKey, key.Key) {
		return false
	}
	cert := key.Certificates[0]
	if now.Before(cert.NotBefore) && !now.Add(statementLeeway).Before(cert.NotBefore) {
		now = cert.NotBefore
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}
