package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What registries accept and refuse with Dockit's authority in their bundle.
func TestAcceptance(t *testing.T) {
	ca, caKey, err := newAuthority(start)
	require.NoError(t, err)
	foreign, foreignKey, err := newAuthority(start)
	require.NoError(t, err)
	leaf := func(now time.Time, life time.Duration) *pair {
		cert, key, err := newLeaf(EC256, ca, caKey, now, now.Add(life))
		require.NoError(t, err)
		return &pair{key, cert}
	}
	first := leaf(start, time.Hour)
	later := leaf(start.Add(30*time.Minute), time.Hour)
	expired := leaf(start.Add(-2*time.Hour), time.Hour)
	early := leaf(start.Add(time.Hour), time.Hour)
	foreignLeaf, _, err := newLeaf(EC256, foreign, foreignKey, start, start.Add(time.Hour))
	require.NoError(t, err)
	key := generate(t, EC256)
	underLeaf := certificate(t, x509.Certificate{}, key, first)
	// An authority below this one may not exist either, whatever it claims.
	middleKey := generate(t, EC256)
	middle := &pair{middleKey, certificate(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "middle"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}, middleKey, &pair{caKey, ca})}
	underMiddle := certificate(t, x509.Certificate{}, key, middle)

	for _, test := range []struct {
		name   string
		chain  []*x509.Certificate
		accept bool
	}{
		{"a leaf", []*x509.Certificate{first.cert}, true},
		{"a leaf made later", []*x509.Certificate{later.cert}, true},
		{"a leaf with the authority shipped along", []*x509.Certificate{first.cert, ca}, true},
		{"a leaf of a foreign authority", []*x509.Certificate{foreignLeaf}, false},
		{"a leaf of a foreign authority shipped along", []*x509.Certificate{foreignLeaf, foreign}, false},
		{"a leaf issued by a leaf", []*x509.Certificate{underLeaf, first.cert}, false},
		{"a leaf under an authority below", []*x509.Certificate{underMiddle, middle.cert}, false},
		{"an expired leaf", []*x509.Certificate{expired.cert}, false},
		{"a leaf not valid yet", []*x509.Certificate{early.cert}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Half an hour on, so that the later leaf is there.
			err := verify(start.Add(30*time.Minute), []*x509.Certificate{ca}, test.chain...)
			assert.Equal(t, test.accept, err == nil, "accepted: %v", err)
		})
	}
}
