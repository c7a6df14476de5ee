package idtoken_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/internal/jwkset"
)

const iss = "https://idp.example.com"

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// keys are what an issuer publishes.
func keys(t testing.TB, i *issuertest.Issuer) jwkset.Set {
	t.Helper()
	set, err := jwkset.Parse(i.JWKS())
	require.NoError(t, err)
	return set
}

func TestEveryAlgorithmThatIsTaken(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	i := issuertest.Offline(t, iss)
	for _, method := range []jwt.SigningMethod{
		jwt.SigningMethodRS256, jwt.SigningMethodRS384, jwt.SigningMethodRS512, jwt.SigningMethodPS256, jwt.SigningMethodPS384, jwt.SigningMethodPS512,
	} {
		i.SignWith(method.Alg(), rsaKey, method)
		checks(t, i)
	}
	for method, curve := range map[*jwt.SigningMethodECDSA]elliptic.Curve{
		jwt.SigningMethodES256: elliptic.P256(), jwt.SigningMethodES384: elliptic.P384(), jwt.SigningMethodES512: elliptic.P521(),
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		i.SignWith(method.Alg(), key, method)
		checks(t, i)
	}
	i.SignWith("ed", edKey, jwt.SigningMethodEdDSA)
	checks(t, i)
}

// checks that the last key made the signature, and no other.
func checks(t *testing.T, i *issuertest.Issuer) {
	t.Helper()
	token, err := idtoken.Parse(i.Sign(t, i.Claims(now, "registry")))
	require.NoError(t, err)
	with := keys(t, i).With(i.KeyID(), token.Algorithm)
	require.Len(t, with, 1)
	require.NoError(t, token.CheckSignature(with[0]), token.Algorithm)
	for _, other := range keys(t, issuertest.Offline(t, iss)).Keys {
		require.ErrorIs(t, token.CheckSignature(other), idtoken.ErrSignature)
	}
}

func TestParseRefuses(t *testing.T) {
	i := issuertest.Offline(t, iss)
	plain, err := json.Marshal(i.Claims(now, "registry"))
	require.NoError(t, err)
	header := func(changes map[string]any) string { return i.SignText(t, changes, plain) }
	payload := func(text string) string { return i.SignText(t, nil, []byte(text)) }
	good := header(nil)
	der, err := x509.MarshalPKIXPublicKey(i.Public())
	require.NoError(t, err)
	hmacOfPublicKey, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(i.Claims(now, "registry"))).SignedString(der)
	require.NoError(t, err)
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims(i.Claims(now, "registry"))).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		token string
		err   error
	}{
		"as it should be":                      {good, nil},
		"without a typ":                        {header(map[string]any{"typ": nil}), nil},
		"without a kid":                        {header(map[string]any{"kid": nil}), nil},
		"typ of SPIFFE":                        {header(map[string]any{"typ": "JOSE"}), nil},
		"typ in full":                          {header(map[string]any{"typ": "application/at+JWT"}), nil},
		"typ of a logout":                      {header(map[string]any{"typ": "logout+jwt"}), idtoken.ErrMalformed},
		"typ that is no text":                  {header(map[string]any{"typ": 7}), idtoken.ErrMalformed},
		"alg none, unsigned":                   {unsigned, idtoken.ErrAlgorithm},
		"alg none, with a signature":           {unsigned + "AAAA", idtoken.ErrAlgorithm},
		"alg None":                             {header(map[string]any{"alg": "None"}), idtoken.ErrAlgorithm},
		"alg HS256 with the public key":        {hmacOfPublicKey, idtoken.ErrAlgorithm},
		"alg ML-DSA":                           {header(map[string]any{"alg": "ML-DSA-65"}), idtoken.ErrAlgorithm},
		"alg in small letters":                 {header(map[string]any{"alg": "es256"}), idtoken.ErrAlgorithm},
		"no alg":                               {header(map[string]any{"alg": nil}), idtoken.ErrMalformed},
		"alg that is a list":                   {header(map[string]any{"alg": []string{"ES256"}}), idtoken.ErrMalformed},
		"alg under another name":               {header(map[string]any{"alg": nil, "ALG": "ES256"}), idtoken.ErrMalformed},
		"kid that is a number":                 {header(map[string]any{"kid": 7}), idtoken.ErrMalformed},
		"kid that is too long":                 {header(map[string]any{"kid": strings.Repeat("k", 513)}), idtoken.ErrMalformed},
		"extensions":                           {header(map[string]any{"crit": []string{"b64"}, "b64": false}), idtoken.ErrMalformed},
		"header that is too long":              {header(map[string]any{"x": strings.Repeat("x", 4096)}), idtoken.ErrMalformed},
		"huge":                                 {payload(`{"iss":"` + iss + `","x":"` + strings.Repeat("x", idtoken.MaxSize) + `"}`), idtoken.ErrTooLarge},
		"deep claims":                          {payload(`{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`), idtoken.ErrMalformed},
		"claims as deep as they may be":        {payload(`{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`), nil},
		"claims one deeper":                    {payload(`{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`), idtoken.ErrMalformed},
		"a claim twice":                        {payload(`{"repository_id":"74","repository_id":"75"}`), idtoken.ErrMalformed},
		"a claim twice, with an escape":        {payload(`{"sub":"a","s\u0075b":"b"}`), idtoken.ErrMalformed},
		"a nested claim twice":                 {payload(`{"x":[{"a":1,"a":2}]}`), idtoken.ErrMalformed},
		"two claims that differ by a capital":  {payload(`{"sub":"a","Sub":"b"}`), nil},
		"not UTF-8":                            {payload("{\"a\":\"\xff\"}"), idtoken.ErrMalformed},
		"no JSON":                              {payload("sub=a"), idtoken.ErrMalformed},
		"JSON and more":                        {payload(`{"a":1}{"b":2}`), idtoken.ErrMalformed},
		"JSON without a comma":                 {payload(`{"a":1 "b":2}`), idtoken.ErrMalformed},
		"JSON with one comma too many":         {payload(`{"a":1,}`), idtoken.ErrMalformed},
		"a list":                               {payload(`[]`), idtoken.ErrMalformed},
		"null":                                 {payload(`null`), idtoken.ErrMalformed},
		"empty":                                {"", idtoken.ErrMalformed},
		"two parts":                            {strings.Join(strings.Split(good, ".")[:2], "."), idtoken.ErrMalformed},
		"four parts":                           {good + ".AAAA", idtoken.ErrMalformed},
		"padded":                               {good + "==", idtoken.ErrMalformed},
		"line break at its end":                {good + "\n", idtoken.ErrMalformed},
		"base64 that is not that of the URL":   {strings.Replace(good, "ey", "ey+/", 1), idtoken.ErrMalformed},
		"base64 with bits that nothing counts": {"eyJhbGciOiJFUzI1NiJ9.eyJhIjoiYiJ9.AB", idtoken.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := idtoken.Parse(c.token)
			require.ErrorIs(t, err, c.err)
			if err != nil {
				assert.Less(t, len(err.Error()), 500)
			}
		})
	}
}

func TestSignatureCoversHeaderAndPayload(t *testing.T) {
	i := issuertest.Offline(t, iss)
	key := keys(t, i).Keys[0]
	raw := i.Sign(t, i.Claims(now, "registry"))
	other := i.Sign(t, i.Claims(now, "registry", map[string]any{"sub": "admin"}))
	parts, others := strings.Split(raw, "."), strings.Split(other, ".")
	for name, forged := range map[string]string{
		"payload of another": parts[0] + "." + others[1] + "." + parts[2],
		"header changed":     base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + parts[1] + "." + parts[2],
		"signature cut":      raw[:len(raw)-2],
		"no signature":       parts[0] + "." + parts[1] + ".",
		"signature of nulls": parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
	} {
		t.Run(name, func(t *testing.T) {
			token, err := idtoken.Parse(forged)
			require.NoError(t, err)
			assert.ErrorIs(t, token.CheckSignature(key), idtoken.ErrSignature)
		})
	}
}

func TestSwappedKeyUnderTheSameID(t *testing.T) {
	i, other := issuertest.Offline(t, iss), issuertest.Offline(t, iss)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other.SignWith(i.KeyID(), key, jwt.SigningMethodES256)
	token, err := idtoken.Parse(i.Sign(t, i.Claims(now, "registry")))
	require.NoError(t, err)
	with := keys(t, other).With(token.KeyID, token.Algorithm)
	require.Len(t, with, 1)
	assert.ErrorIs(t, token.CheckSignature(with[0]), idtoken.ErrSignature)
}

func TestCheck(t *testing.T) {
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	audiences := []string{"registry.example.com", "https://registry.example.com"}
	for name, c := range map[string]struct {
		change map[string]any
		err    error
		until  time.Duration // from now, if there is no error
	}{
		"as it should be":              {nil, nil, 6 * time.Minute},
		"the other audience":           {map[string]any{"aud": "https://registry.example.com"}, nil, 6 * time.Minute},
		"audience in a list":           {map[string]any{"aud": []string{"registry.example.com"}}, nil, 6 * time.Minute},
		"two audiences, both meant":    {map[string]any{"aud": audiences}, nil, 6 * time.Minute},
		"two audiences":                {map[string]any{"aud": []string{"registry.example.com", "sts.amazonaws.com"}}, idtoken.ErrAudience, 0},
		"foreign audience":             {map[string]any{"aud": "sts.amazonaws.com"}, idtoken.ErrAudience, 0},
		"audience with a slash":        {map[string]any{"aud": "https://registry.example.com/"}, idtoken.ErrAudience, 0},
		"audience in capitals":         {map[string]any{"aud": "Registry.Example.com"}, idtoken.ErrAudience, 0},
		"missing audience":             {map[string]any{"aud": nil}, idtoken.ErrMissing, 0},
		"empty audience":               {map[string]any{"aud": ""}, idtoken.ErrAudience, 0},
		"no audiences":                 {map[string]any{"aud": []string{}}, idtoken.ErrMissing, 0},
		"audience that is a number":    {map[string]any{"aud": 7}, idtoken.ErrMalformed, 0},
		"audience with a number":       {map[string]any{"aud": []any{"registry.example.com", 7}}, idtoken.ErrMalformed, 0},
		"many audiences":               {map[string]any{"aud": strings.Split(strings.Repeat("registry.example.com ", 32)+"registry.example.com", " ")}, idtoken.ErrMalformed, 0},
		"other issuer":                 {map[string]any{"iss": "https://evil.example.com"}, idtoken.ErrIssuer, 0},
		"issuer with a slash":          {map[string]any{"iss": iss + "/"}, idtoken.ErrIssuer, 0},
		"enterprise in the issuer":     {map[string]any{"iss": iss + "/octo-inc"}, idtoken.ErrIssuer, 0},
		"issuer that is a list":        {map[string]any{"iss": []string{iss}}, idtoken.ErrIssuer, 0},
		"no issuer":                    {map[string]any{"iss": nil}, idtoken.ErrIssuer, 0},
		"expired within the leeway":    {map[string]any{"exp": at(-59 * time.Second)}, nil, time.Second},
		"expired":                      {map[string]any{"exp": at(-60 * time.Second)}, idtoken.ErrExpired, 0},
		"expiry in milliseconds":       {map[string]any{"exp": at(time.Hour) * 1000}, idtoken.ErrMalformed, 0},
		"no expiry":                    {map[string]any{"exp": nil}, idtoken.ErrMissing, 0},
		"expiry that is text":          {map[string]any{"exp": "2026-11-27"}, idtoken.ErrMalformed, 0},
		"expiry that is negative":      {map[string]any{"exp": -1}, idtoken.ErrMalformed, 0},
		"expiry with a fraction":       {map[string]any{"exp": float64(at(5*time.Minute)) + 0.5}, nil, 6 * time.Minute},
		"not yet valid, within leeway": {map[string]any{"nbf": at(60 * time.Second)}, nil, 6 * time.Minute},
		"not yet valid":                {map[string]any{"nbf": at(61 * time.Second)}, idtoken.ErrNotYet, 0},
		"no nbf":                       {map[string]any{"nbf": nil}, nil, 6 * time.Minute},
		"nbf that is text":             {map[string]any{"nbf": "now"}, idtoken.ErrMalformed, 0},
		"issued ahead, within leeway":  {map[string]any{"iat": at(60 * time.Second)}, nil, 6 * time.Minute},
		"issued in the future":         {map[string]any{"iat": at(61 * time.Second)}, idtoken.ErrNotYet, 0},
		"no iat":                       {map[string]any{"iat": nil}, idtoken.ErrMissing, 0},
		"as old as it may be":          {map[string]any{"iat": at(-time.Hour - time.Minute)}, nil, 0},
		"too old":                      {map[string]any{"iat": at(-time.Hour - 61*time.Second), "exp": at(24 * time.Hour)}, idtoken.ErrTooOld, 0},
		"good for a year":              {map[string]any{"exp": at(365 * 24 * time.Hour)}, nil, time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.Offline(t, iss)
			token, err := idtoken.Parse(i.Sign(t, i.Claims(now, audiences[0], c.change)))
			require.NoError(t, err)
			until, err := token.Check(idtoken.Expected{Issuer: iss, Audiences: audiences, Now: now, MaxAge: time.Hour})
			require.ErrorIs(t, err, c.err)
			if err == nil {
				assert.Equal(t, c.until, until.Sub(now))
			} else {
				assert.Less(t, len(err.Error()), 700)
			}
		})
	}
}

func TestWhatIsNoToken(t *testing.T) {
	i := issuertest.Offline(t, iss)
	raw := i.Sign(t, i.Claims(now, "registry"))
	assert.True(t, idtoken.IsCompact(raw))
	assert.Equal(t, iss, idtoken.Issuer(raw))
	assert.Equal(t, iss, idtoken.Issuer(raw[:strings.LastIndex(raw, ".")+1]), "a token that nobody signed is no password either")
	assert.Equal(t, iss, idtoken.Issuer(i.SignText(t, nil, []byte(`{"iss":"`+iss+`","a":1,"a":2}`))), "nor one that is not taken")
	assert.Equal(t, iss, idtoken.Issuer(raw+strings.Repeat("A", idtoken.MaxSize)))
	for name, password := range map[string]string{
		"password": "correct horse battery staple", "with dots": "a.b.c", "access token": "dockit_abc", "empty": "", "dots": "..",
		"base64 of no JSON": "eyJhbGciOi.AAAA.AAAA", "payload without an issuer": i.SignText(t, nil, []byte(`{"sub":"a"}`)), "issuer that is no text": i.SignText(t, nil, []byte(`{"iss":7}`)),
		"too large": raw + strings.Repeat("A", 4*idtoken.MaxSize),
	} {
		t.Run(name, func(t *testing.T) { assert.Empty(t, idtoken.Issuer(password)) })
	}
}

func FuzzParse(f *testing.F) {
	i := issuertest.Offline(f, iss)
	for _, claims := range []map[string]any{issuertest.GitHub(), issuertest.CircleCI(), issuertest.Kubernetes("prod", "ci"), issuertest.Google()} {
		f.Add(i.Sign(f, i.Claims(now, "registry", claims)))
	}
	f.Add(i.SignText(f, map[string]any{"kid": nil}, []byte(`{"exp":1e3,"aud":["a","b"],"iat":1.5}`)))
	key := keys(f, i).Keys[0]
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := idtoken.Parse(raw)
		if err != nil {
			return
		}
		assert.LessOrEqual(t, len(raw), idtoken.MaxSize)
		assert.True(t, key.Checks("ES256"))
		if token.CheckSignature(key) != nil {
			return
		}
		if _, err := token.Check(idtoken.Expected{Issuer: iss, Audiences: []string{"registry"}, Now: now, MaxAge: time.Hour}); err == nil {
			assert.Equal(t, iss, idtoken.Issuer(raw), raw)
		}
	})
}

// FuzzPayload: two readers of a payload never differ in what a claim says.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"sub":"a","x":[1,{"y":null}],"n":1e400}`))
	f.Add([]byte(`{"sub":"a","s\u0075b":"b"}`))
	i := issuertest.Offline(f, iss)
	f.Fuzz(func(t *testing.T, payload []byte) {
		token, err := idtoken.Parse(i.SignText(t, nil, payload))
		if err != nil {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(string(payload)))
		decoder.UseNumber()
		var other map[string]any
		require.NoError(t, decoder.Decode(&other), "%q", payload)
		assert.Equal(t, other, token.Claims)
	})
}
