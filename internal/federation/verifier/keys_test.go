package verifier

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

func jsonOf(value any) ([]byte, error) { return json.Marshal(value) }

func job(i *issuertest.Issuer, f *fixture) string {
	f.Helper()
	return i.Sign(f, i.Claims(f.now, service, map[string]any{"sub": "job"}))
}

func TestPostQuantumKeyEndsNoLogin(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	i.Publish(map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA"})
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	f.takes("ci", job(i, f))
}

func TestTokenWithoutAKeyID(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	nameless := func() string {
		return i.SignText(t, map[string]any{"kid": nil}, document(t, i.Claims(f.now, service, map[string]any{"sub": "job"})))
	}
	f.binds("app", "idp", "ci", "sub=job")
	for range maxNameless - 1 {
		i.Rotate(t)
	}
	f.trusts("idp", federation.Generic, i)
	f.takes("ci", nameless())
	i.Rotate(t)
	f.trusts("idp", federation.Generic, i)
	f.refuses("ci", nameless(), WrongSignature)
	assert.Zero(t, f.asked, "no key was named that could be asked for")
}

func TestRotatedKeys(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	old := job(i, f)
	i.Rotate(t)
	fresh := job(i, f)
	f.look = func() bool { f.trusts("idp", federation.Generic, i); return true }
	f.takes("ci", fresh)
	assert.Equal(t, 1, f.asked, "the issuer was asked for the key")
	f.takes("ci", old)
	i.Forget()
	f.trusts("idp", federation.Generic, i)
	f.look = nil
	f.refuses("ci", old, UnknownKey)
	f.takes("ci", fresh)
}

func TestUnknownKeyIsAskedForOnceAndTheAnswerCounts(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	i.Rotate(t)
	for name, look := range map[string]func() bool{
		"not now": nil,
		"answered, without it": func() bool {
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.asked, f.look = 0, look
			f.refuses("ci", job(i, f), UnknownKey)
			assert.Equal(t, 1, f.asked)
		})
	}
}

func TestKeysOfOtherSettingsCountForNothing(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	f.issuers[0].JWKSURL = "https://keys.example.com" // its keys are those fetched before
	f.change()
	f.refuses("ci", job(i, f), UnknownKey)
}

func TestKeysThatAreGiven(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "cluster")
	f.trusts("idp", federation.Generic, i, func(n *federation.Issuer) { n.JWKS = string(i.JWKS()) })
	f.binds("app", "idp", "ci", "sub=job")
	f.takes("ci", job(i, f))
}

// TestTwoClustersWithOneIss are told apart by the robot, and then by the key.
func TestTwoClustersWithOneIss(t *testing.T) {
	const iss = "https://kubernetes.default.svc"
	f, blue, green := newFixture(t), issuertest.Offline(t, iss), issuertest.Offline(t, iss)
	f.trusts("blue", federation.Kubernetes, blue)
	f.trusts("green", federation.Kubernetes, green)
	f.binds("blue-builder", "blue", "blue-ci", "sub=system:serviceaccount:prod:builder")
	f.binds("green-builder", "green", "green-ci", "sub=system:serviceaccount:prod:builder")
	ofBlue := blue.Sign(t, blue.Claims(f.now, service, issuertest.Kubernetes("prod", "builder")))
	ofGreen := green.Sign(t, green.Claims(f.now, service, issuertest.Kubernetes("prod", "builder")))

	assert.Equal(t, "blue-builder", f.takes("blue-ci", ofBlue))
	assert.Equal(t, "green-builder", f.takes("green-ci", ofGreen))
	f.refuses("green-ci", ofBlue, UnknownKey)
	f.refuses("blue-ci", ofGreen, UnknownKey)
	assert.Equal(t, "blue-builder", f.takes(AnyRobot, ofBlue))
	assert.Equal(t, "green-builder", f.takes(AnyRobot, ofGreen))

	// A robot of both is told apart by the key.
	f.binds("blue-shared", "blue", "ci", "sub=system:serviceaccount:prod:builder")
	f.binds("green-shared", "green", "ci", "sub=system:serviceaccount:prod:builder")
	assert.Equal(t, "blue-shared", f.takes("ci", ofBlue))
	assert.Equal(t, "green-shared", f.takes("ci", ofGreen))

	// What is disabled of one is not lent by the other.
	f.trusts("blue", federation.Kubernetes, blue, func(i *federation.Issuer) { i.Disabled = true })
	f.refuses("ci", ofBlue, UnknownKey)
	assert.Equal(t, "green-shared", f.takes("ci", ofGreen))
	f.trusts("green", federation.Kubernetes, green, func(i *federation.Issuer) { i.Disabled = true })
	f.refuses("ci", ofGreen, IssuerDisabled)
}

func TestRememberedTokenEndsWithAnyChange(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture, *issuertest.Issuer)
		reason Reason
	}{
		"its time is over":  {func(f *fixture, _ *issuertest.Issuer) { f.now = f.now.Add(6 * time.Minute) }, Expired},
		"issuer disabled":   {func(f *fixture, _ *issuertest.Issuer) { f.issuers[0].Disabled = true; f.change() }, IssuerDisabled},
		"audiences changed": {func(f *fixture, _ *issuertest.Issuer) { f.issuers[0].Audiences = []string{"x"}; f.change() }, WrongAudience},
		"longest age changed": {func(f *fixture, _ *issuertest.Issuer) {
			f.now = f.now.Add(3 * time.Minute)
			f.issuers[0].MaxAge = time.Minute
			f.change()
		}, TooOld},
		"source of keys changed": {func(f *fixture, _ *issuertest.Issuer) { f.issuers[0].JWKSHost = "k.example.com"; f.change() }, UnknownKey},
		"key no longer published": {func(f *fixture, i *issuertest.Issuer) {
			i.Rotate(f)
			i.Forget()
			f.trusts("idp", federation.Generic, i)
		}, UnknownKey},
		"binding disabled":   {func(f *fixture, _ *issuertest.Issuer) { f.bindings[0].Disabled = true; f.change() }, BindingDisabled},
		"binding removed":    {func(f *fixture, _ *issuertest.Issuer) { f.bindings = nil; f.change() }, NoBinding},
		"conditions changed": {func(f *fixture, _ *issuertest.Issuer) { f.binds("app", "idp", "ci", "sub=other") }, Conditions},
		"another robot":      {func(f *fixture, _ *issuertest.Issuer) { f.binds("app", "idp", "deploy", "sub=job") }, NoBinding},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
			f.trusts("idp", federation.Generic, i)
			f.binds("app", "idp", "ci", "sub=job")
			token := job(i, f)
			f.takes("ci", token)
			c.change(f, i)
			f.refuses("ci", token, c.reason)
		})
	}
	t.Run("issuer removed", func(t *testing.T) {
		f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
		f.trusts("idp", federation.Generic, i)
		f.binds("app", "idp", "ci", "sub=job")
		token := job(i, f)
		f.takes("ci", token)
		f.issuers = nil
		f.change()
		_, err := f.verify("ci", token)
		require.ErrorIs(t, err, ErrNotRecognized)
	})
}

// TestJobCostsOneSignature: what was found good is not judged again.
func TestJobCostsOneSignature(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	token := job(i, f)
	first, err := f.verify("ci", token)
	require.NoError(t, err)
	again, err := f.verify("ci", token)
	require.NoError(t, err)
	assert.Same(t, first, again)
	forged := token[:len(token)-8] + "AAAAAAAA"
	f.refuses("ci", forged, WrongSignature)
	shared, err := f.With(f.options.Trust).Verify(t.Context(), Request{Token: token, Service: service, Username: "ci"})
	require.NoError(t, err)
	assert.Same(t, first, shared)
	f.change()
	anew, err := f.verify("ci", token)
	require.NoError(t, err)
	assert.NotSame(t, first, anew, "after a change it is")
}

// TestRefusedTokenIsNotJudgedAgainForAMoment, unless something changes or time may
// mend it.
func TestRefusedTokenIsNotJudgedAgainForAMoment(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=other")
	token := job(i, f)
	first := f.refuses("ci", token, Conditions)
	assert.Same(t, first, f.refuses("ci", token, Conditions))
	assert.Len(t, f.refusals, 2, "it is recorded all the same")
	f.now = f.now.Add(refusedFor)
	again := f.refuses("ci", token, Conditions)
	assert.NotSame(t, first, again)
	f.binds("app", "idp", "ci", "sub=job")
	f.takes("ci", token)

	early := i.Sign(t, i.Claims(f.now, service, map[string]any{"sub": "job", "nbf": f.now.Add(61 * time.Second).Unix()}))
	f.refuses("ci", early, NotYet)
	f.now = f.now.Add(2 * time.Second)
	f.takes("ci", early)
}
