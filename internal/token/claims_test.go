package token

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

// Claims is the payload of a token as others write and read it.
type Claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	Access    []Access `json:"access"`
}

func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.ExpiresAt), nil }
func (c Claims) GetNotBefore() (*jwt.NumericDate, error)      { return date(c.NotBefore), nil }
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c Claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c Claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c Claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

func date(seconds int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(seconds, 0)) }

// sign signs claims that were made elsewhere.
func sign(key *pki.SigningKey, profile Profile, c Claims) (string, error) {
	signer, err := newSigner(key, profile)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return signer.sign(&payload)
}

// FuzzClaims guards that a payload is what a library for JSON would write.
func FuzzClaims(f *testing.F) {
	f.Add("dockit", "registry.example.com", "alice", "repository", "team/app", uint8(3), int64(1_800_000_000))
	f.Add("", "", "", "registry", "catalog", uint8(7), int64(0))
	f.Add("a\"b", "<&>", "\xff", "repository", "Müller\u2028", uint8(15), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, issuer, audience, subject, kind, name string, actions uint8, at int64) {
		scope := access.Scope{Type: access.Type(kind), Name: name, Actions: access.Actions(actions)}
		constant := newConstantClaims(issuer, audience)
		for count := range 3 {
			scopes := make([]access.Scope, count)
			want := Claims{
				Issuer: issuer, Subject: subject, Audience: audience, ExpiresAt: at, NotBefore: at - 1, IssuedAt: at - 1, ID: name, Access: make([]Access, count),
			}
			for i := range scopes {
				scopes[i], want.Access[i] = scope, Access{kind, name, scope.ActionList()}
			}
			text, err := json.Marshal(want)
			require.NoError(t, err)
			got := constant.append([]byte("before "), &claims{subject: subject, expiresAt: at, notBefore: at - 1, id: name, access: scopes})
			assert.Equal(t, "before "+string(text), string(got), "payload")
		}
	})
}

// TestIssuerFollowsItsKey guards that nothing of a key outlives its use.
func TestIssuerFollowsItsKey(t *testing.T) {
	issuer := NewIssuer(Config{Service: "registry", Profile: ProfileX5C})
	var keys []*pki.SigningKey
	for range 2 {
		key, _ := newKey(t, pki.EC256)
		keys = append(keys, key)
	}
	for _, key := range []*pki.SigningKey{keys[0], keys[0], keys[1], keys[0]} {
		issued, err := issuer.Issue(key, Request{Subject: "alice"})
		require.NoError(t, err)
		parsed, err := jwt.Parse(issued.Token, func(*jwt.Token) (any, error) { return key.Signer.Public(), nil })
		require.NoError(t, err)
		assert.Equal(t, key.ID, parsed.Header["kid"])
	}
}

func TestIssueAllocatesLittle(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	issuer := NewIssuer(Config{Service: "registry", Profile: ProfileX5C})
	granted := []access.Scope{{Type: access.Repository, Name: "team/app", Actions: access.Pull}}
	issue := func() {
		if _, err := issuer.Issue(key, Request{Subject: "alice", Access: granted}); err != nil {
			require.NoError(t, err)
		}
	}
	prepared, err := newSigner(key, ProfileX5C)
	require.NoError(t, err)
	bare := testing.AllocsPerRun(100, func() {
		if _, err := prepared.method.Sign(prepared.header, key.Signer); err != nil {
			require.NoError(t, err)
		}
	})
	const own = 5
	assert.LessOrEqual(t, testing.AllocsPerRun(100, issue), bare+own, "allocations, of which the signature has %v", bare)
}
