package pki

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap/zaptest"
)

func statement(t *testing.T, r *Ring, service string) *Statement {
	t.Helper()
	content, err := r.Statement(service)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseStatement(content)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a registry trusts vouches for what it is to trust after each change,
// except where nothing that it trusts may be used any more.
func TestStatementVouchesForWhatComesNext(t *testing.T) {
	rotate := func(service string) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, _ *clock) {
			if _, err := r.Rotate(t.Context(), service); err != nil {
				t.Fatal(err)
			}
		}
	}
	rotateAuthority := func(t *testing.T, r *Ring, _ *clock) {
		if _, err := r.RotateAuthority(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	revoke := func(purpose Purpose, service string) func(*testing.T, *Ring, *clock) {
		return func(t *testing.T, r *Ring, _ *clock) {
			for _, key := range r.Keys() {
				if key.Purpose == purpose && key.Service == service && key.State == Active {
					if _, err := r.Revoke(t.Context(), key.ID); err != nil {
						t.Fatal(err)
					}
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
			if err := s.Verify(anchors, jose.JSONWebKeySet{}, c.Now()); (err == nil) != test.vouched || err != nil && !errors.Is(err, errNotVouchedFor) {
				t.Errorf("by the certificates of before: %v", err)
			}
			if test.service != "" { // shared signing keys do not live that long
				if err := s.Verify(nil, keys, c.Now()); (err == nil) != test.vouched {
					t.Errorf("by the keys of before: %v", err)
				}
			}
			now := bundle(t, r.Bundle(test.service))
			if err := s.Verify(now, jose.JSONWebKeySet{}, c.Now()); err != nil {
				t.Errorf("by the certificates of now: %v", err)
			}
			if len(s.Certificates) != len(now) || len(s.Keys.Keys) != len(r.KeySet(test.service).Keys) {
				t.Errorf("it names %d certificates and %d keys", len(s.Certificates), len(s.Keys.Keys))
			}
			for _, other := range []string{"", "zot", "jwks"} {
				if other != test.service && s.Verify(bundle(t, r.Bundle(other)), jose.JSONWebKeySet{}, c.Now()) == nil {
					t.Errorf("the registry of %q takes it", other)
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
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	before := bundle(t, r.Bundle(""))
	if err := os.WriteFile(path, append(append([]byte(nil), pkcs8(t, second.signer)...), certPEM(second.cert)...), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	r.reload(t.Context())
	if err := statement(t, r, "").Verify(before, jose.JSONWebKeySet{}, c.Now()); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	c.advance(time.Hour)
	r.reload(t.Context())
	update(t, r)
	if err := statement(t, r, "").Verify(before, jose.JSONWebKeySet{}, c.Now()); !errors.Is(err, errNotVouchedFor) {
		t.Errorf("an hour later: %v", err)
	}
}

func TestStatementIsOfItsTime(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	anchors := bundle(t, r.Bundle(""))
	s := statement(t, r, "")
	for after, want := range map[time.Duration]error{
		-time.Hour: errStatementExpired, -time.Minute: nil, 0: nil, statementLife: nil, time.Hour: errStatementExpired,
	} {
		if err := s.Verify(anchors, jose.JSONWebKeySet{}, c.Now().Add(after)); !errors.Is(err, want) {
			t.Errorf("%s after it was signed: %v", after, err)
		}
	}
	first, _ := r.Statement("")
	c.advance(time.Second)
	if again, _ := r.Statement(""); string(again) != string(first) {
		t.Error("signed anew within a second: signing is not free")
	}
	c.advance(time.Hour)
	if err := statement(t, r, "").Verify(anchors, jose.JSONWebKeySet{}, c.Now()); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// Other things that the same keys sign are no statement.
func TestStatementNeedsItsType(t *testing.T) {
	c := newClock()
	r := generatedRing(t, new(memoryStore), c, Options{})
	key := signingKey(t, r, "")
	payload := statementPayload{IssuedAt: c.Now().Unix(), ExpiresAt: c.Now().Add(time.Minute).Unix(), Keys: r.KeySet("")}
	content, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[jose.ContentType]error{"JWT": errNotVouchedFor, statementType: nil} {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.Signer, KeyID: key.ID}},
			new(jose.SignerOptions).WithType(typ))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(content)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseStatement([]byte(signed.FullSerialize()))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(bundle(t, r.Bundle("")), jose.JSONWebKeySet{}, c.Now()); !errors.Is(err, want) {
			t.Errorf("type %s: %v", typ, err)
		}
	}
}

func TestParseStatementRefuses(t *testing.T) {
	r := generatedRing(t, new(memoryStore), newClock(), Options{})
	good, err := r.Statement("")
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]any
	if err := json.Unmarshal(good, &parts); err != nil {
		t.Fatal(err)
	}
	signature := map[string]any{"protected": parts["protected"], "signature": parts["signature"]}
	many, err := json.Marshal(map[string]any{"payload": parts["payload"], "signatures": []any{
		signature, signature, signature, signature, signature, signature, signature, signature, signature,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"nothing":             "",
		"a page":              "<html>",
		"another JSON":        `{"keys":[]}`,
		"half":                string(good[:len(good)/2]),
		"too many signatures": string(many),
	} {
		if _, err := ParseStatement([]byte(content)); !errors.Is(err, errMalformedStatement) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One that was changed is nobody's.
	payload := parts["payload"].(string)
	parts["payload"] = strings.Replace(payload, payload[20:21], "A", 1)
	changed, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseStatement(changed); err == nil && s.Verify(bundle(t, r.Bundle("")), jose.JSONWebKeySet{}, start) == nil {
		t.Error("a changed statement was taken")
	}
}
