package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewPairCanBeBroughtAlong(t *testing.T) {
	for _, keyType := range keyTypes {
		for _, authority := range []bool{false, true} {
			key, cert, err := NewPair(PairRequest{
				KeyType: keyType, Subject: pkix.Name{CommonName: "dockit"}, Names: []string{"dockit.example.com", "192.0.2.1"},
				NotBefore: start, NotAfter: start.AddDate(1, 0, 0), Authority: authority,
			})
			require.NoError(t, err)
			p, err := load(Files{Key: write(t, key, cert)})
			require.NoError(t, err, "%s", keyType)
			assert.Equal(t, authority, p.cert.IsCA, "%s", keyType)
			require.Len(t, p.cert.DNSNames, 1, "%s", keyType)
			require.Len(t, p.cert.IPAddresses, 1, "%s", keyType)
			assert.True(t, keyType.matches(p.cert.PublicKey), "%s", keyType)
		}
	}
}

// longName is as long as names of DNS can be.
var longName = strings.Repeat(strings.Repeat("a", 62)+".", 4) + "a"

func TestNewPairTakesLongNames(t *testing.T) {
	require.Len(t, longName, 253)
	_, _, err := NewPair(PairRequest{
		Subject: pkix.Name{CommonName: "dockit"}, Names: []string{longName}, NotBefore: start, NotAfter: start.Add(time.Hour),
	})
	require.NoError(t, err)
}

func TestNewPairRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*PairRequest)
		want   error
	}{
		{"no time at all", func(r *PairRequest) { r.NotAfter = r.NotBefore }, ErrInvalidValidity},
		{"too far in the future", func(r *PairRequest) { r.NotAfter = start.AddDate(9000, 0, 0) }, ErrInvalidValidity},
		{"a name with a space", func(r *PairRequest) { r.Names = []string{"a b"} }, ErrInvalidName},
		{"a name beyond DNS", func(r *PairRequest) { r.Names = []string{longName + "b"} }, ErrInvalidName},
		{"no name", func(r *PairRequest) { r.Names = []string{""} }, ErrInvalidName},
		{"an empty label", func(r *PairRequest) { r.Names = []string{"a..b"} }, ErrInvalidName},
		{"an unknown type of key", func(r *PairRequest) { r.KeyType = "dsa" }, errInvalidKeyType},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := PairRequest{Subject: pkix.Name{CommonName: "dockit"}, NotBefore: start, NotAfter: start.Add(time.Hour)}
			test.change(&request)
			_, _, err := NewPair(request)
			assert.ErrorIs(t, err, test.want)
		})
	}
}

// TestLeafIsSmall guards the part of every token that is its largest, and what of it registries need.
func TestLeafIsSmall(t *testing.T) {
	authority, authorityKey, err := newAuthority(start)
	require.NoError(t, err)
	leaf, _, err := newLeaf(EC256, authority, authorityKey, start, start.Add(time.Hour))
	require.NoError(t, err)
	const most = 360
	assert.LessOrEqual(t, len(leaf.Raw), most, "bytes of a certificate")
	assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	assert.False(t, leaf.IsCA, "an authority")
	assert.True(t, leaf.BasicConstraintsValid, "it is said whether it is an authority")
	assert.Positive(t, leaf.SerialNumber.Sign(), "serial number %d", leaf.SerialNumber)
	assert.LessOrEqual(t, leaf.SerialNumber.BitLen(), 64, "serial number %d", leaf.SerialNumber)
}

// TestLeafTellsAuthoritiesOfOneNameApart guards that whoever builds a chain finds the authority of a leaf: by its name where that is
// Dockit's own, and by its key identifier where somebody else gave the name.
func TestLeafTellsAuthoritiesOfOneNameApart(t *testing.T) {
	own, ownKey, err := newAuthority(start)
	require.NoError(t, err)
	leaf, _, err := newLeaf(EC256, own, ownKey, start, start.Add(time.Hour))
	require.NoError(t, err)
	assert.Empty(t, leaf.AuthorityKeyId, "below an authority whose name says its key")

	roots := x509.NewCertPool()
	var authorities, leaves []*x509.Certificate
	for range 2 {
		key, cert, err := NewPair(PairRequest{
			KeyType: EC256, Subject: pkix.Name{CommonName: "registry tokens"}, NotBefore: start, NotAfter: start.AddDate(1, 0, 0), Authority: true,
		})
		require.NoError(t, err)
		p, err := load(Files{Key: write(t, key, cert)})
		require.NoError(t, err)
		leaf, _, err := newLeaf(EC256, p.cert, p.signer, start, start.Add(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, p.cert.SubjectKeyId, leaf.AuthorityKeyId)
		roots.AddCert(p.cert)
		authorities, leaves = append(authorities, p.cert), append(leaves, leaf)
	}
	for i, leaf := range leaves {
		chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		require.NoError(t, err)
		require.Len(t, chains, 1)
		assert.True(t, chains[0][1].Equal(authorities[i]), "the chain of leaf %d", i)
	}
}

func TestParseSubject(t *testing.T) {
	for _, test := range []struct {
		text string
		want pkix.Name
		err  error
	}{
		{"dockit", pkix.Name{CommonName: "dockit"}, nil},
		{"CN=dockit", pkix.Name{CommonName: "dockit"}, nil},
		{`cn = dockit , O=Example\, Inc., OU=a,OU=b, C=CH`, pkix.Name{
			CommonName: "dockit", Organization: []string{"Example, Inc."}, OrganizationalUnit: []string{"a", "b"}, Country: []string{"CH"},
		}, nil},
		{"CN=a=b", pkix.Name{CommonName: "a=b"}, nil},
		{"", pkix.Name{}, errInvalidSubject},
		{"CN=", pkix.Name{}, errInvalidSubject},
		{"CN=a,", pkix.Name{}, errInvalidSubject},
		{"CN=a,CN=b", pkix.Name{}, errInvalidSubject},
		{"EMAIL=a@example.com", pkix.Name{}, errInvalidSubject},
	} {
		got, err := ParseSubject(test.text)
		require.ErrorIs(t, err, test.err, test.text)
		assert.Equal(t, test.want, got, test.text)
	}
}

func TestKeyTypeOf(t *testing.T) {
	for _, test := range []struct {
		algorithm   string
		ec, rsa     int
		want        KeyType
		wantInvalid bool
	}{
		{"ec", 0, 0, EC256, false},
		{"ec", 521, 1024, EC521, false},
		{"rsa", 0, 0, RSA2048, false},
		{"rsa", 999, 4096, RSA4096, false},
		{"ed25519", 0, 0, Ed25519, false},
		{"ec", 224, 0, "", true},
		{"rsa", 0, 1024, "", true},
		{"dsa", 0, 0, "", true},
	} {
		got, err := KeyTypeOf(test.algorithm, test.ec, test.rsa)
		assert.Equal(t, test.want, got, "%s %d %d: %v", test.algorithm, test.ec, test.rsa, err)
		assert.Equal(t, test.wantInvalid, errors.Is(err, errInvalidKeyType), "%s %d %d: %v", test.algorithm, test.ec, test.rsa, err)
		if err == nil {
			assert.Contains(t, keyTypes, got, "is not among the types")
		}
	}
}
