package token

import (
	"encoding/json"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

// tokenRequest is what goes into a token of any service.
type tokenRequest struct {
	Issuer, Service string
	Profile         Profile
	Subject         string
	Access          []access.Scope
	TTL             time.Duration
}

func issue(t testing.TB, key *pki.SigningKey, r tokenRequest) Issued {
	t.Helper()
	issuer := NewIssuer(Config{Issuer: r.Issuer, Service: r.Service, Profile: r.Profile, TTL: r.TTL})
	issued, err := issuer.Issue(key, Request{Subject: r.Subject, Access: r.Access})
	require.NoError(t, err)
	return issued
}

func TestIssuedClaims(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	for _, tc := range []struct {
		name    string
		request tokenRequest
		want    map[string]string
	}{
		{
			name: "login",
			request: tokenRequest{
				Issuer: "dockit", Service: "registry.example.com", Profile: ProfileX5C, Subject: "alice", TTL: 5 * time.Minute,
			},
			want: map[string]string{"iss": `"dockit"`, "sub": `"alice"`, "aud": `"registry.example.com"`, "access": `[]`},
		},
		{
			name: "anonymous pull",
			request: tokenRequest{
				Issuer: "dockit", Service: "zot", Profile: ProfileZot, TTL: 5 * time.Minute,
				Access: []access.Scope{{Type: access.Repository, Name: "host:5000/a", Actions: access.Pull}},
			},
			want: map[string]string{
				"sub": `""`, "aud": `"zot"`,
				"access": `[{"type":"repository","name":"host:5000/a","actions":["pull"]}]`,
			},
		},
		{
			name: "everything",
			request: tokenRequest{
				Issuer: "dockit", Service: "registry", Profile: ProfileJWKS, Subject: "admin", TTL: 5 * time.Minute,
				Access: []access.Scope{
					{Type: access.Repository, Name: "a", Actions: access.All},
					{Type: access.Registry, Name: "catalog", Actions: access.All},
				},
			},
			want: map[string]string{
				"access": `[{"type":"repository","name":"a","actions":["pull","push","delete"]},{"type":"registry","name":"catalog","actions":["*"]}]`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			claims := segment(t, issue(t, key, tc.request).Token, 1)
			for name, want := range tc.want {
				assert.Equal(t, want, string(claims[name]), name)
			}
			for _, name := range []string{"exp", "nbf", "iat"} {
				_, err := strconv.ParseInt(string(claims[name]), 10, 64)
				require.NoError(t, err, "%s is %s, no integer", name, claims[name])
			}
			assert.Len(t, claims, 8, "there are %d claims", len(claims))
		})
	}
}

func TestIssuedDates(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	for _, tc := range []struct {
		name      string
		ttl       time.Duration
		expiresIn int
	}{
		{name: "five minutes", ttl: 5 * time.Minute, expiresIn: 300},
		{name: "shortest", ttl: time.Minute, expiresIn: 60},
		{name: "too short", ttl: time.Second, expiresIn: 60},
		{name: "none", ttl: 0, expiresIn: 60},
		{name: "negative", ttl: -time.Hour, expiresIn: 60},
		{name: "with a fraction", ttl: 90*time.Second + 999*time.Millisecond, expiresIn: 90},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(1999 * time.Millisecond)
				now := time.Now()
				issued := issue(t, key, tokenRequest{Service: "registry", Profile: ProfileX5C, TTL: tc.ttl})

				assert.Zero(t, issued.IssuedAt.Nanosecond(), "issued at %v, want whole seconds of UTC", issued.IssuedAt)
				assert.Same(t, time.UTC, issued.IssuedAt.Location(), "issued at %v, want whole seconds of UTC", issued.IssuedAt)
				ahead := issued.IssuedAt.Sub(now)
				assert.LessOrEqual(t, ahead, time.Duration(0))
				assert.Greater(t, ahead, -time.Second)
				assert.Equal(t, tc.expiresIn, issued.ExpiresIn)
				var claims struct{ Exp, Nbf, Iat int64 }
				payload, err := json.Marshal(segment(t, issued.Token, 1))
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(payload, &claims))
				told := issued.IssuedAt.Unix()
				assert.EqualValues(t, issued.ExpiresIn, claims.Exp-told, "exp, in seconds after issuing as the client was told")
				assert.EqualValues(t, -10, claims.Nbf-told, "nbf, in seconds after issuing")
				assert.EqualValues(t, -10, claims.Iat-told, "iat, in seconds after issuing")
			})
		})
	}
}

// Another package of the process may change how the jwt package writes dates
// and audiences. Tokens stay as they are.
func TestIssuedClaimsIgnoreGlobalVariables(t *testing.T) {
	precision, asArray := jwt.TimePrecision, jwt.MarshalSingleStringAsArray
	t.Cleanup(func() { jwt.TimePrecision, jwt.MarshalSingleStringAsArray = precision, asArray })
	key, _ := newKey(t, pki.EC256)
	integer := regexp.MustCompile(`^[0-9]+$`)
	for _, list := range []bool{true, false} {
		jwt.TimePrecision, jwt.MarshalSingleStringAsArray = time.Microsecond, list
		claims := segment(t, issue(t, key, tokenRequest{Service: "registry", Profile: ProfileX5C}).Token, 1)
		assert.Equal(t, `"registry"`, string(claims["aud"]), "aud")
		for _, name := range []string{"exp", "nbf", "iat"} {
			assert.True(t, integer.Match(claims[name]), "%s is %s", name, claims[name])
		}
	}
}

func TestIssuedTokensDiffer(t *testing.T) {
	key, _ := newKey(t, pki.Ed25519)
	seen := map[string]bool{}
	for range 100 {
		id := string(segment(t, issue(t, key, tokenRequest{Service: "registry", Profile: ProfileX5C}).Token, 1)["jti"])
		require.GreaterOrEqual(t, len(id), 22, "jti %s is short or was there before", id)
		require.False(t, seen[id], "jti %s is short or was there before", id)
		seen[id] = true
	}
}

func TestClaimsAsTheLibraryReadsThem(t *testing.T) {
	key, roots := newKey(t, pki.EC256)
	issued := issue(t, key, tokenRequest{Issuer: "dockit", Service: "registry", Profile: ProfileX5C, Subject: "alice", TTL: time.Minute})
	var claims Claims
	_, err := jwt.ParseWithClaims(issued.Token, &claims, func(token *jwt.Token) (any, error) {
		return publicKeyOf(t, ProfileX5C, token, key, roots), nil
	}, jwt.WithAudience("registry"), jwt.WithIssuer("dockit"), jwt.WithSubject("alice"), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	require.NoError(t, err)
	assert.Equal(t, "registry", claims.Audience)
	assert.Equal(t, "alice", claims.Subject)
	assert.EqualValues(t, 70, claims.ExpiresAt-claims.IssuedAt)
}

func TestAccessIsAListAlways(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	for name, granted := range map[string][]access.Scope{"nil": nil, "empty": {}} {
		text := segment(t, issue(t, key, tokenRequest{Profile: ProfileX5C, Access: granted}).Token, 1)["access"]
		assert.Equal(t, `[]`, string(text), name)
	}
}

func BenchmarkIssue(b *testing.B) {
	key, _ := newKey(b, pki.EC256)
	issuer := NewIssuer(Config{Issuer: "dockit", Service: "registry", Profile: ProfileX5C, TTL: 5 * time.Minute})
	request := Request{Subject: "alice", Access: []access.Scope{{Type: access.Repository, Name: "team/app", Actions: access.Pull | access.Push}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := issuer.Issue(key, request); err != nil {
			require.NoError(b, err)
		}
	}
}
