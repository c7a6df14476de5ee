package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// authorityLife is how long an authority of Dockit's own is valid.
	authorityLife = 20 * 365 * 24 * time.Hour

	// backdate is how far in the past a certificate starts to be valid.
	// Registries check its dates with no leeway, and their clocks differ.
	backdate = 10 * time.Minute
)

// ErrAuthorityExpires is returned when an authority has too little time left
// for a signing certificate under it.
var ErrAuthorityExpires = errors.New("certificate authority expires too soon")

// newAuthority makes a certificate authority that can do nothing but sign
// token certificates: no further authority fits below it, and its key may
// neither sign a token nor a revocation list.
func newAuthority(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := EC256.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of a certificate authority: %w", err)
	}
	name, err := authorityName(key.Public())
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue(&x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, key.Public(), key)
	return cert, key, err
}

// newLeaf makes a signing certificate under an authority, for a key of its own.
func newLeaf(keyType KeyType, authority *x509.Certificate, authorityKey crypto.Signer, now, notAfter time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := keyType.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make a signing key: %w", err)
	}
	template, err := leafTemplate(key.Public(), now, notAfter)
	if err != nil {
		return nil, nil, err
	}
	// Every token carries the certificate, so that it has nothing that no registry
	// looks at. RFC 5280 (4.2.1.1) wants the key identifier of the authority in it,
	// to tell authorities of one name apart: 118 characters of each answer, for what
	// the name of Dockit's own authorities says as well. Others may share a name.
	parent := *authority
	own, err := authorityName(authority.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	if authority.Subject.CommonName == own {
		parent.SubjectKeyId = nil
	}
	if template.SerialNumber, err = shortSerial(); err != nil {
		return nil, nil, err
	}
	cert, err := issue(template, &parent, key.Public(), authorityKey)
	return cert, key, err
}

// shortSerial is a random serial number of 64 bits: the default has 160.
func shortSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

// newStandalone makes a signing certificate that is its own trust anchor, for
// registries that know single keys and no authority.
func newStandalone(keyType KeyType, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := keyType.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make a signing key: %w", err)
	}
	template, err := leafTemplate(key.Public(), now, now.Add(authorityLife))
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue(template, nil, key.Public(), key)
	return cert, key, err
}

func leafTemplate(public crypto.PublicKey, now, notAfter time.Time) (*x509.Certificate, error) {
	name, err := shortName(public)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Dockit " + name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil
}

// issue signs a certificate; without a parent it is self-signed.
func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %q: %w", template.Subject, err)
	}
	return x509.ParseCertificate(der)
}

// authorityName is that of an authority of Dockit's own: no two keys share one.
func authorityName(public crypto.PublicKey) (string, error) {
	name, err := shortName(public)
	return "Dockit authority " + name, err
}

// shortName distinguishes certificates for administrators who read them.
func shortName(public crypto.PublicKey) (string, error) {
	id, err := thumbprint(public)
	if err != nil {
		return "", err
	}
	return id[:8], nil
}

// Fingerprint is the SHA-256 of a certificate in hexadecimal, as openssl and
// browsers show it, without colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

func encodeCertificates(certs []*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}

var (
	// errInvalidSubject is returned for a subject that cannot be read.
	errInvalidSubject = errors.New("invalid subject")
	// ErrInvalidName is returned for an alternative name that is neither a
	// DNS name nor an IP address.
	ErrInvalidName = errors.New("invalid alternative name")
	// ErrInvalidValidity is returned for a certificate that would have ended
	// before it began.
	ErrInvalidValidity = errors.New("invalid validity")
)

// PairRequest describes a self-signed certificate and its key, made to be
// external along, see [NewFileRing].
type PairRequest struct {
	// KeyType is the type of the key; default [EC256].
	KeyType KeyType
	// Subject is whom the certificate is for.
	Subject pkix.Name
	// Names are alternative names: DNS names and IP addresses. Registries do
	// not look at them.
	Names []string
	// NotBefore is when the certificate starts to be valid.
	NotBefore time.Time
	// NotAfter is when it ends.
	NotAfter time.Time
	// Authority makes a certificate authority with no other authority below
	// it, for Dockit to make its signing keys under.
	Authority bool
}

// NewPair makes a private key, in PKCS #8, and its self-signed certificate,
// both in PEM.
func NewPair(request PairRequest) (key, certificate []byte, err error) {
	if !request.NotBefore.Before(request.NotAfter) {
		return nil, nil, fmt.Errorf("%w: it would end at %s and start at %s", ErrInvalidValidity,
			request.NotAfter.UTC().Format(time.RFC3339), request.NotBefore.UTC().Format(time.RFC3339))
	}
	if request.NotAfter.Year() > 9999 {
		return nil, nil, fmt.Errorf("%w: certificates end in the year 9999 at the latest", ErrInvalidValidity)
	}
	if request.KeyType == "" {
		request.KeyType = EC256
	}
	template := &x509.Certificate{
		Subject:               request.Subject,
		NotBefore:             request.NotBefore,
		NotAfter:              request.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if request.Authority {
		template.KeyUsage, template.IsCA, template.MaxPathLenZero = x509.KeyUsageCertSign, true, true
	}
	for _, name := range request.Names {
		switch ip := net.ParseIP(name); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case isDNSName(name):
			template.DNSNames = append(template.DNSNames, name)
		default:
			return nil, nil, fmt.Errorf("%w %q: give DNS names and IP addresses", ErrInvalidName, printable.Clip(name))
		}
	}
	signer, err := request.KeyType.GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the private key: %w", err)
	}
	cert, err := issue(template, nil, signer.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, encodeCertificates([]*x509.Certificate{cert}), nil
}

// isDNSName reports whether a name is made of the letters, digits and hyphens
// of host names; its first label may be a wildcard.
func isDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
			if !letter && (c < '0' || '9' < c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// ParseSubject reads a subject such as CN=dockit,O=Example\, Inc. It knows CN,
// O, OU, C, ST and L. Text without an equals sign is a common name.
func ParseSubject(s string) (pkix.Name, error) {
	var name pkix.Name
	if !strings.Contains(s, "=") {
		if strings.TrimSpace(s) == "" {
			return name, fmt.Errorf("%w: it is empty; write for example CN=dockit", errInvalidSubject)
		}
		name.CommonName = s
		return name, nil
	}
	for _, part := range splitEscaped(s) {
		key, value, _ := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		if value == "" {
			return pkix.Name{}, fmt.Errorf("%w: %q has no value", errInvalidSubject, printable.Clip(part))
		}
		switch strings.ToUpper(strings.TrimSpace(key)) {
		case "CN":
			if name.CommonName != "" {
				return pkix.Name{}, fmt.Errorf("%w: CN stands there twice", errInvalidSubject)
			}
			name.CommonName = value
		case "O":
			name.Organization = append(name.Organization, value)
		case "OU":
			name.OrganizationalUnit = append(name.OrganizationalUnit, value)
		case "C":
			name.Country = append(name.Country, value)
		case "ST":
			name.Province = append(name.Province, value)
		case "L":
			name.Locality = append(name.Locality, value)
		default:
			return pkix.Name{}, fmt.Errorf("%w: unknown %q; use CN, O, OU, C, ST or L", errInvalidSubject, printable.Clip(key))
		}
	}
	return name, nil
}

// splitEscaped splits at commas that no backslash precedes.
func splitEscaped(s string) []string {
	var parts []string
	var part strings.Builder
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			part.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == ',':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteRune(c)
		}
	}
	return append(parts, part.String())
}
