package pki

import (
	"crypto/x509/pkix"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestNewPairCanBeBroughtAlong(t *testing.T) {
	for _, keyType := range keyTypes {
		for _, authority := range []bool{false, true} {
			key, cert, err := NewPair(PairRequest{
				KeyType: keyType, Subject: pkix.Name{CommonName: "dockit"}, Names: []string{"dockit.example.com", "192.0.2.1"},
				NotBefore: start, NotAfter: start.AddDate(1, 0, 0), Authority: authority,
			})
			if err != nil {
				t.Fatal(err)
			}
			p, err := load(Files{Key: write(t, key, cert)})
			if err != nil {
				t.Errorf("%s: %v", keyType, err)
				continue
			}
			if p.cert.IsCA != authority || len(p.cert.DNSNames) != 1 || len(p.cert.IPAddresses) != 1 || !keyType.matches(p.cert.PublicKey) {
				t.Errorf("%s: IsCA %t, names %v %v", keyType, p.cert.IsCA, p.cert.DNSNames, p.cert.IPAddresses)
			}
		}
	}
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
		{"an empty label", func(r *PairRequest) { r.Names = []string{"a..b"} }, ErrInvalidName},
		{"an unknown type of key", func(r *PairRequest) { r.KeyType = "dsa" }, errInvalidKeyType},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := PairRequest{Subject: pkix.Name{CommonName: "dockit"}, NotBefore: start, NotAfter: start.Add(time.Hour)}
			test.change(&request)
			if _, _, err := NewPair(request); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
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
		if !errors.Is(err, test.err) || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: %+v, %v", test.text, got, err)
		}
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
		if got != test.want || errors.Is(err, errInvalidKeyType) != test.wantInvalid {
			t.Errorf("%s %d %d: %q, %v", test.algorithm, test.ec, test.rsa, got, err)
		}
		if err == nil && !slices.Contains(keyTypes, got) {
			t.Errorf("%q is not among the types", got)
		}
	}
}
