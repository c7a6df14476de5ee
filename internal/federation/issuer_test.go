package federation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

// authority is a certificate in PEM.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestValidateIssuer(t *testing.T) {
	ca := authority(t)
	valid := Issuer{Name: "idp", URL: "https://idp.example.com", Kind: Generic}
	many := make([]string, MaxAudiences+1)
	for n := range many {
		many[n] = fmt.Sprint("a", n)
	}
	for name, c := range map[string]struct {
		change func(*Issuer)
		err    error
	}{
		"least":                          {func(*Issuer) {}, nil},
		"path with a slash at its end":   {func(i *Issuer) { i.URL = "https://idp.example.com/t/v2/" }, nil},
		"port":                           {func(i *Issuer) { i.URL = "https://idp.example.com:8443" }, nil},
		"http on a loopback address":     {func(i *Issuer) { i.URL = "http://127.0.0.1:8080" }, nil},
		"http on IPv6 loopback":          {func(i *Issuer) { i.URL = "http://[::1]:8080/a" }, nil},
		"http on localhost":              {func(i *Issuer) { i.URL = "http://localhost" }, nil},
		"http elsewhere":                 {func(i *Issuer) { i.URL = "http://idp.example.com" }, ErrInvalidIssuer},
		"http on localhost of others":    {func(i *Issuer) { i.URL = "http://localhost.example.com" }, ErrInvalidIssuer},
		"no URL":                         {func(i *Issuer) { i.URL = "" }, ErrInvalidIssuer},
		"no scheme":                      {func(i *Issuer) { i.URL = "idp.example.com" }, ErrInvalidIssuer},
		"file":                           {func(i *Issuer) { i.URL = "file:///etc/passwd" }, ErrInvalidIssuer},
		"no host":                        {func(i *Issuer) { i.URL = "https:///a" }, ErrInvalidIssuer},
		"port without a host":            {func(i *Issuer) { i.URL = "https://:443/a" }, ErrInvalidIssuer},
		"user in the URL":                {func(i *Issuer) { i.URL = "https://a:b@idp.example.com" }, ErrInvalidIssuer},
		"query":                          {func(i *Issuer) { i.URL = "https://idp.example.com?a=b" }, ErrInvalidIssuer},
		"fragment":                       {func(i *Issuer) { i.URL = "https://idp.example.com#a" }, ErrInvalidIssuer},
		"space":                          {func(i *Issuer) { i.URL = "https://idp.example.com/ a" }, ErrInvalidIssuer},
		"long URL":                       {func(i *Issuer) { i.URL = "https://idp.example.com/" + strings.Repeat("a", MaxURLLength) }, ErrInvalidIssuer},
		"any iss with keys given":        {func(i *Issuer) { i.URL, i.JWKS = "spiffe://td", `{"keys":[{"kty":"EC"}]}` }, nil},
		"any iss with keys elsewhere":    {func(i *Issuer) { i.URL, i.JWKSURL = "cluster", "https://keys.example.com/jwks" }, nil},
		"keys by http":                   {func(i *Issuer) { i.JWKSURL = "http://keys.example.com/jwks" }, ErrInvalidIssuer},
		"keys twice":                     {func(i *Issuer) { i.JWKSURL, i.JWKS = "https://k.example.com", `{"keys":[{}]}` }, ErrInvalidIssuer},
		"keys that are none":             {func(i *Issuer) { i.JWKS = `{"keys":[]}` }, ErrInvalidIssuer},
		"keys that are no JSON":          {func(i *Issuer) { i.JWKS = "-----BEGIN" }, ErrInvalidIssuer},
		"too many keys":                  {func(i *Issuer) { i.JWKS = `{"keys":[{}]}` + strings.Repeat(" ", MaxStaticKeys) }, ErrInvalidIssuer},
		"host of keys":                   {func(i *Issuer) { i.JWKSHost = "keys.example.com:8443" }, nil},
		"host of keys is a URL":          {func(i *Issuer) { i.JWKSHost = "https://keys.example.com" }, ErrInvalidIssuer},
		"host of keys with a path":       {func(i *Issuer) { i.JWKSHost = "keys.example.com/a" }, ErrInvalidIssuer},
		"host of keys with a user":       {func(i *Issuer) { i.JWKSHost = "a@keys.example.com" }, ErrInvalidIssuer},
		"host of keys without discovery": {func(i *Issuer) { i.JWKSHost, i.JWKSURL = "k.example.com", "https://k.example.com" }, ErrInvalidIssuer},
		"audiences":                      {func(i *Issuer) { i.Audiences = []string{"a", "https://b"} }, nil},
		"too many audiences":             {func(i *Issuer) { i.Audiences = many }, ErrInvalidIssuer},
		"empty audience":                 {func(i *Issuer) { i.Audiences = []string{""} }, ErrInvalidIssuer},
		"audience twice":                 {func(i *Issuer) { i.Audiences = []string{"a", "a"} }, ErrInvalidIssuer},
		"authorities":                    {func(i *Issuer) { i.CA = ca + "\n" + ca }, nil},
		"authorities that are none":      {func(i *Issuer) { i.CA = "hello" }, ErrInvalidIssuer},
		"authorities and more":           {func(i *Issuer) { i.CA = ca + "hello" }, ErrInvalidIssuer},
		"authorities with a key": {func(i *Issuer) {
			i.CA = ca + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
		}, ErrInvalidIssuer},
		"authorities cut off":         {func(i *Issuer) { i.CA = ca[:len(ca)/2] }, ErrInvalidIssuer},
		"authorities for given keys":  {func(i *Issuer) { i.CA, i.JWKS = ca, `{"keys":[{}]}` }, ErrInvalidIssuer},
		"bearer file":                 {func(i *Issuer) { i.BearerFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" }, nil},
		"bearer file, relative":       {func(i *Issuer) { i.BearerFile = "token" }, ErrInvalidIssuer},
		"bearer file, not clean":      {func(i *Issuer) { i.BearerFile = "/var/run/../../etc/passwd" }, ErrInvalidIssuer},
		"bearer file, line break":     {func(i *Issuer) { i.BearerFile = "/a\nb" }, ErrInvalidIssuer},
		"longest age":                 {func(i *Issuer) { i.MaxAge = time.Hour }, nil},
		"longest age, the least":      {func(i *Issuer) { i.MaxAge = MinMaxAge }, nil},
		"longest age, the most":       {func(i *Issuer) { i.MaxAge = MaxMaxAge }, nil},
		"longest age, too short":      {func(i *Issuer) { i.MaxAge = time.Second }, ErrInvalidIssuer},
		"longest age, too long":       {func(i *Issuer) { i.MaxAge = MaxMaxAge + time.Second }, ErrInvalidIssuer},
		"longest age, negative":       {func(i *Issuer) { i.MaxAge = -time.Hour }, ErrInvalidIssuer},
		"longest age, parts":          {func(i *Issuer) { i.MaxAge = time.Minute + time.Millisecond }, ErrInvalidIssuer},
		"name":                        {func(i *Issuer) { i.Name = "_" }, subject.ErrInvalidName},
		"kind":                        {func(i *Issuer) { i.Kind = "jenkins" }, ErrInvalidKind},
		"no kind":                     {func(i *Issuer) { i.Kind = "" }, ErrInvalidKind},
		"GitHub as another kind":      {func(i *Issuer) { i.URL = issuerURLs[GitHub] }, ErrInvalidIssuer},
		"GitHub in capitals":          {func(i *Issuer) { i.URL = "https://Token.Actions.GitHubUserContent.com" }, ErrInvalidIssuer},
		"Enterprise Server as others": {func(i *Issuer) { i.URL = "https://ghes.example.com/_services/token" }, ErrInvalidIssuer},
		"Forgejo as others":           {func(i *Issuer) { i.URL = "https://git.example.com/forge/api/actions" }, ErrInvalidIssuer},
		"Google without its scheme":   {func(i *Issuer) { i.URL, i.JWKS = "accounts.google.com", `{"keys":[{}]}` }, ErrInvalidIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			i := valid
			c.change(&i)
			err := i.Validate()
			require.ErrorIs(t, err, c.err)
			if err != nil {
				assert.Less(t, len(err.Error()), 1_500)
			}
		})
	}
}

func TestKeySourceTellsSourcesApart(t *testing.T) {
	i := Issuer{Name: "idp", URL: "https://idp.example.com", Kind: Generic}
	seen := map[string]bool{i.KeySource(): true}
	for _, change := range []func(*Issuer){
		func(i *Issuer) { i.URL += "/" }, func(i *Issuer) { i.JWKSURL = "https://k.example.com" }, func(i *Issuer) { i.JWKS = "https://k.example.com" },
		func(i *Issuer) { i.JWKSHost = "k.example.com" }, func(i *Issuer) { i.CA = "x" }, func(i *Issuer) { i.BearerFile = "/x" },
	} {
		other := i
		change(&other)
		assert.False(t, seen[other.KeySource()])
		seen[other.KeySource()] = true
		assert.Len(t, other.KeySource(), 64)
	}
	same := i
	same.Name, same.MaxAge, same.Audiences, same.Disabled = "b", time.Hour, []string{"a"}, true
	assert.Equal(t, i.KeySource(), same.KeySource())
}

func TestKeyHosts(t *testing.T) {
	for name, c := range map[string]struct {
		issuer Issuer
		url    string
		want   bool
	}{
		"own host":                    {Issuer{URL: "https://idp.example.com/a"}, "https://idp.example.com/keys", true},
		"own host, with the port":     {Issuer{URL: "https://IDP.example.com/a"}, "https://idp.example.com:443/keys", true},
		"own host, another port":      {Issuer{URL: "https://idp.example.com"}, "https://idp.example.com:8443/keys", false},
		"own host by http":            {Issuer{URL: "https://idp.example.com"}, "http://idp.example.com/keys", false},
		"host below":                  {Issuer{URL: "https://idp.example.com"}, "https://keys.idp.example.com/keys", false},
		"another host":                {Issuer{URL: "https://idp.example.com"}, "https://evil.example.com/keys", false},
		"named host":                  {Issuer{URL: "https://idp.example.com", JWKSHost: "keys.example.com"}, "https://keys.example.com/keys", true},
		"own host beside a named one": {Issuer{URL: "https://idp.example.com", JWKSHost: "keys.example.com"}, "https://idp.example.com/keys", true},
		"named host, another port":    {Issuer{URL: "https://idp.example.com", JWKSHost: "keys.example.com:1"}, "https://keys.example.com/keys", false},
		"IPv6":                        {Issuer{URL: "https://[fd00::1]/a"}, "https://[fd00::1]:443/keys", true},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			require.NoError(t, err)
			assert.Equal(t, c.want, SameHost(c.issuer.KeyHosts(), u))
		})
	}
}
