package jwkset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// members of a key as JSON has them.
func public(t testing.TB, key crypto.PublicKey, more map[string]any) map[string]any {
	t.Helper()
	document, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(document, &all))
	maps.Copy(all, more)
	return all
}

func set(t testing.TB, keys ...any) []byte {
	t.Helper()
	document, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	return document
}

// fixtures are public keys of each sort.
func fixtures(t testing.TB) (rsaKey *rsa.PublicKey, ecKey *ecdsa.PublicKey, edKey ed25519.PublicKey) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return &r.PublicKey, &e.PublicKey, ed
}

func TestOneKeyHidesNoOther(t *testing.T) {
	rsaKey, ecKey, edKey := fixtures(t)
	weak := map[string]any{"kty": "RSA", "kid": "weak", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 127)...))}
	huge := map[string]any{"kty": "RSA", "kid": "huge", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 2047)...))}
	offCurve := public(t, ecKey, map[string]any{"kid": "off", "x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))})
	for name, c := range map[string]struct {
		key    any
		reason string // empty: it is taken
	}{
		"RSA":                                 {public(t, rsaKey, map[string]any{"kid": "k"}), ""},
		"EC":                                  {public(t, ecKey, map[string]any{"kid": "k", "use": "sig", "alg": "ES256"}), ""},
		"Ed25519":                             {public(t, edKey, map[string]any{"kid": "k"}), ""},
		"without a kid":                       {public(t, edKey, nil), ""},
		"of SPIFFE":                           {public(t, ecKey, map[string]any{"use": "jwt-svid"}), ""},
		"to verify":                           {public(t, ecKey, map[string]any{"key_ops": []string{"verify"}}), ""},
		"certificates that cannot be read":    {public(t, ecKey, map[string]any{"x5c": []string{"!"}, "x5t": "!", "x5u": ":"}), ""},
		"post-quantum":                        {map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA"}, "unknown sort of key"},
		"X25519":                              {map[string]any{"kty": "OKP", "crv": "X25519", "x": "AAAA"}, "read it"},
		"unknown curve":                       {map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}, "read it"},
		"no sort":                             {map[string]any{"kid": "k"}, "unknown sort of key"},
		"a number":                            {7, "no JWK"},
		"a member of another type":            {map[string]any{"kty": "RSA", "n": 7}, "no JWK"},
		"symmetric":                           {map[string]any{"kty": "oct", "k": "AAAA"}, "secret"},
		"private":                             {public(t, ecKey, map[string]any{"d": "AAAA"}), "secret"},
		"for encryption":                      {public(t, rsaKey, map[string]any{"use": "enc"}), "not for signatures"},
		"to encrypt":                          {public(t, rsaKey, map[string]any{"key_ops": []string{"encrypt"}}), "no verify"},
		"algorithm for encryption":            {public(t, rsaKey, map[string]any{"alg": "RSA-OAEP"}), "not taken"},
		"algorithm of HMAC":                   {public(t, rsaKey, map[string]any{"alg": "HS256"}), "not taken"},
		"algorithm of another curve":          {public(t, ecKey, map[string]any{"alg": "ES384"}), "not taken"},
		"RSA of 1024 bits":                    {weak, "1024 bits"},
		"RSA of 16384 bits":                   {huge, "modulus size"},
		"RSA with the exponent 1":             {public(t, rsaKey, map[string]any{"e": "AQ"}), "bad e value"},
		"RSA with an even exponent":           {public(t, rsaKey, map[string]any{"e": "AQAA"}), "exponent"},
		"RSA without a modulus":               {map[string]any{"kty": "RSA", "e": "AQAB"}, "read it"},
		"not on its curve":                    {offCurve, "read it"},
		"kid that is too long":                {public(t, ecKey, map[string]any{"kid": strings.Repeat("k", maxIDLength+1)}), "kid is"},
		"kid that would steer the terminal":   {map[string]any{"kty": "AKP", "kid": "a\x1b[2Jb"}, "unknown sort of key"},
		"deep":                                {map[string]any{"kty": "AKP", "x": strings.Repeat("[", 100)}, "unknown sort of key"},
		"members that only differ by capital": {map[string]any{"KTY": "AKP"}, "unknown sort of key"},
	} {
		t.Run(name, func(t *testing.T) {
			good := public(t, edKey, map[string]any{"kid": "good"})
			got, err := Parse(set(t, c.key, good))
			require.NoError(t, err)
			assert.True(t, got.Has("good"))
			if c.reason == "" {
				assert.Len(t, got.Keys, 2)
				assert.Empty(t, got.Skipped)
				return
			}
			require.Len(t, got.Skipped, 1)
			assert.Len(t, got.Keys, 1)
			assert.Contains(t, got.Skipped[0].String(), c.reason)
			assert.NotContains(t, got.Skipped[0].String(), "\x1b")
			assert.Less(t, len(got.Skipped[0].String()), 500)
		})
	}
}

func TestKeysCheckTheirAlgorithmsOnly(t *testing.T) {
	rsaKey, ecKey, edKey := fixtures(t)
	for name, c := range map[string]struct {
		key  map[string]any
		want []string
	}{
		"RSA":                   {public(t, rsaKey, nil), []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		"RSA for one algorithm": {public(t, rsaKey, map[string]any{"alg": "PS256"}), []string{"PS256"}},
		"P-256":                 {public(t, ecKey, nil), []string{"ES256"}},
		"Ed25519":               {public(t, edKey, nil), []string{"EdDSA"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(set(t, c.key))
			require.NoError(t, err)
			require.Len(t, got.Keys, 1)
			var checks []string
			for _, alg := range []string{"none", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", ""} {
				if got.Keys[0].Checks(alg) {
					checks = append(checks, alg)
				}
			}
			assert.ElementsMatch(t, c.want, checks)
		})
	}
}

func TestWith(t *testing.T) {
	rsaKey, ecKey, edKey := fixtures(t)
	got, err := Parse(set(t, public(t, rsaKey, map[string]any{"kid": "a"}), public(t, ecKey, map[string]any{"kid": "a"}), public(t, edKey, map[string]any{"kid": "b"})))
	require.NoError(t, err)
	assert.Len(t, got.With("a", "ES256"), 1, "two keys may have one kid")
	assert.Len(t, got.With("a", "RS256"), 1)
	assert.Empty(t, got.With("b", "ES256"), "another's key")
	assert.Empty(t, got.With("c", "ES256"))
	assert.Len(t, got.With("", "EdDSA"), 1)
}

func TestParseRefusesWhatIsNoSet(t *testing.T) {
	many := make([]any, MaxKeys+1)
	for name, document := range map[string][]byte{
		"empty": nil, "no JSON": []byte("<html>"), "a list": []byte("[]"), "no keys": []byte("{}"), "null": []byte("null"), "keys are null": []byte(`{"keys":null}`),
		"keys are none": []byte(`{"keys":{}}`), "too many": set(t, many...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(document)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
	got, err := Parse([]byte(`{"keys":[]}`))
	require.NoError(t, err)
	assert.Empty(t, got.Keys)
}

func FuzzParse(f *testing.F) {
	rsaKey, ecKey, edKey := fixtures(f)
	f.Add(set(f, public(f, rsaKey, map[string]any{"kid": "a"}), public(f, ecKey, nil), public(f, edKey, nil)))
	f.Add([]byte(`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"},{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := Parse(document)
		if err != nil {
			return
		}
		for _, key := range got.Keys {
			assert.NotEmpty(t, key.algorithms, "%v", key)
			assert.False(t, key.Checks("none"), "%v", key)
			assert.False(t, key.Checks("HS256"), "%v", key)
		}
	})
}
