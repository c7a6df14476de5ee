package pki

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
)

func statement(t *testing.T, r *Ring, service string) *Statement {
	t.Helper()
	content, err := r.Statement(service)
	require.NoError(t, err)
	s, err := ParseStatement(content)
	require.NoError(t, err)
	return s
}

// What a registry trusts vouches for what it is to trust after each change,
// except where nothing that it trusts may be used any more.
func TestStatementVouchesForWhatComesNext(t *testing.T) {
	rotate := func(service string) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, _ *clock) {
			_, err := r.Rotate(t.Context(), service)
			require.NoError(t, err)
		}
	}
	rotateAuthority := func(t *testing.T, r *Ring, _ *clock) {
		_, err := r.RotateAuthority(t.Context(), true)
		require.NoError(t, err)
	}
	revoke := func(purpose Purpose, service string) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, _ *clock) {
			for _, key := range r.Keys() {
				if key.Purpose == purpose && key.Service == service && key.State == Active {
					_, err := r.Revoke(t.Context(), key.ID)
					require.NoError(t, err)
				}
			}
		}
	}
	wait := func(length time.Duration) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, c *clock) { follow(t, r, c, length, time.Hour, func() {}) }
	}
	both := func(steps ...func(*testing.T, *Ring, *clock)) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, c *clock) {
			for _, step := range steps {
				step(t, r, c)
				c.advance(time.Minute)
				update(t, r)
			}
		}
	}
	for name, test := range map[string]struct {
		service string
		change  func(*testing.T, *Ring, *clock)
		vouched bool
	}{
		"nothing":                      {"", wait(0), true},
		"time":                         {"", wait(30 * 24 * time.Hour), true},
		"another signing key":          {"", rotate(""), true},
		"the next authority":           {"", rotateAuthority, true},
		"the authority after the next": {"", both(rotateAuthority, wait(time.Hour), rotateAuthority, wait(time.Hour)), false},
		"a revoked authority":          {"", revoke(Authority, ""), true},
		"another key of a service":     {"zot", both(rotate("zot")), true},
		"and a while after":            {"zot", both(rotate("zot"), wait(time.Hour)), false},
		"a revoked key of a service":   {"zot", revoke(Own, "zot"), false},
		"another key known by its id":  {"jwks", rotate("jwks"), true},
		"a revoked key known by its id": {
			"jwks", revoke(KidOnly, ""), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			r := generatedRing(t, new(memoryStore), c, Options{Own: []string{"zot"}, KidOnly: []string{"jwks"}})
			anchors, keys := bundle(t, r.Bundle(test.service)), r.KeySet(test.service)
			c.advance(time.Minute)
			test.change(t, r, c)
			s := statement(t, r, test.service)
			byCertificates := s.Verify(anchors, jose.JSONWebKeySet{}, c.Now())
			if test.vouched {
				require.NoError(t, byCertificates, "by the certificates of before")
			} else {
				require.ErrorIs(t, byCertificates, errNotVouchedFor, "by the certificates of before")
			}
			if test.service != "" { // shared signing keys do not live that long
				err := s.Verify(nil, keys, c.Now())
				assert.Equal(t, test.vouched, err == nil, "by the keys of before: %v", err)
			}
			now := bundle(t, r.Bundle(test.service))
			require.NoError(t, s.Verify(now, jose.JSONWebKeySet{}, c.Now()), "by the certificates of now")
			require.Len(t, s.Certificates, len(now))
			assert.Len(t, s.Keys.Keys, len(r.KeySet(test.service).Keys))
			for _, other := range []string{"", "zot", "jwks"} {
				if other != test.service {
					assert.Error(t, s.Verify(bundle(t, r.Bundle(other)), jose.JSONWebKeySet{}, c.Now()), "the registry of %q takes it", other)
				}
			}
		})
	}
}

// A external certificate vouches for the one that follows it, while its own
// tokens may still be valid.
func TestStatementAfterAnotherFile(t *testing.T) {
	first, second := &pair{signer: generate(t, EC256)}, &pair{signer: generate(t, EC256)}
	for _, p := range []*pair{first, second} {
		p.cert = certificate(t, x509.Certificate{NotAfter: start.Add(48 * time.Hour)}, p.signer, nil)
	}
	path := write(t, pkcs8(t, first.signer), certPEM(first.cert))
	c := newClock()
	r, err := NewFileRing(t.Context(), new(memoryStore), Files{Key: path}, Options{Now: c.Now, PollInterval: still}, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	before := bundle(t, r.Bundle(""))
	require.NoError(t, os.WriteFile(path, append(append([]byte(nil), pkcs8(t, second.signer)...), certPEM(second.cert)...), 0o600))
	c.advance(time.Minute)
	r.reload(t.Context())
	require.NoError(t, statement(t, r, "").Verify(before, jose.JSONWebKeySet{}, c.Now()), "a minute later")
	c.advance(time.Hour)
	r.reload(t.Context())
	update(t, r)
	assert.ErrorIs(t, statement(t, r, "").Verify(before, jose.JSONWebKeySet{}, c.Now()), errNotVouchedFor, "an hour later")
}

func TestStatementIsOfItsTime(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	anchors := bundle(t, r.Bundle(""))
	s := statement(t, r, "")
	for after, want := range map[time.Duration]error{
		-time.Hour: errStatementExpired, -time.Minute: nil, 0: nil, statementLife: nil, time.Hour: errStatementExpired,
	} {
		require.ErrorIs(t, s.Verify(anchors, jose.JSONWebKeySet{}, c.Now().Add(after)), want, "%s after it was signed", after)
	}
	first, _ := r.Statement("")
	c.advance(time.Second)
	again, _ := r.Statement("")
	assert.Equal(t, string(first), string(again), "signed anew within a second: signing is not free")
	c.advance(time.Hour)
	assert.NoError(t, statement(t, r, "").Verify(anchors, jose.JSONWebKeySet{}, c.Now()), "an hour later")
}

// Other things that the same keys sign are no statement.
func TestStatementNeedsItsType(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	key := signingKey(t, r, "")
	payload := statementPayload{IssuedAt: c.Now().Unix(), ExpiresAt: c.Now().Add(time.Minute).Unix(), Keys: r.KeySet("")}
	content, err := json.Marshal(payload)
	require.NoError(t, err)
	for typ, want := range map[jose.ContentType]error{"JWT": errNotVouchedFor, statementType: nil} {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.Signer, KeyID: key.ID}},
			new(jose.SignerOptions).WithType(typ))
		require.NoError(t, err)
		signed, err := signer.Sign(content)
		require.NoError(t, err)
		s, err := ParseStatement([]byte(signed.FullSerialize()))
		require.NoError(t, err)
		assert.ErrorIs(t, s.Verify(bundle(t, r.Bundle("")), jose.JSONWebKeySet{}, c.Now()), want, "type %s", typ)
	}
}

func TestParseStatementRefuses(t *testing.T) {
	r := generatedRing(t, new(memoryStore), newClock(), Options{})
	good, err := r.Statement("")
	require.NoError(t, err)
	var parts map[string]any
	require.NoError(t, json.Unmarshal(good, &parts))
	signature := map[string]any{"protected": parts["protected"], "signature": parts["signature"]}
	many, err := json.Marshal(map[string]any{"payload": parts["payload"], "signatures": []any{
		signature, signature, signature, signature, signature, signature, signature, signature, signature,
	}})
	require.NoError(t, err)
	for name, content := range map[string]string{
		"nothing":             "",
		"a page":              "<html>",
		"another JSON":        `{"keys":[]}`,
		"half":                string(good[:len(good)/2]),
		"too many signatures": string(many),
	} {
		_, err := ParseStatement([]byte(content))
		require.ErrorIs(t, err, errMalformedStatement, name)
	}
	// One that was changed is of no key.
	payload := parts["payload"].(string)
	parts["payload"] = strings.Replace(payload, payload[20:21], "A", 1)
	changed, err := json.Marshal(parts)
	require.NoError(t, err)
	if s, err := ParseStatement(changed); err == nil {
		assert.Error(t, s.Verify(bundle(t, r.Bundle("")), jose.JSONWebKeySet{}, start), "a changed statement was taken")
	}
}
