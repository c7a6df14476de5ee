package token

import (
	"encoding/json"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

func issue(t testing.TB, key *pki.SigningKey, request Request) Issued {
	t.Helper()
	issued, err := Issue(key, request)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func TestIssuedClaims(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	for _, tc := range []struct {
		name    string
		request Request
		want    map[string]string
	}{
		{
			name: "login",
			request: Request{
				Issuer: "dockit", Service: "registry.example.com", Profile: ProfileX5C, Subject: "alice", TTL: 5 * time.Minute,
			},
			want: map[string]string{"iss": `"dockit"`, "sub": `"alice"`, "aud": `"registry.example.com"`, "access": `[]`},
		},
		{
			name: "anonymous pull",
			request: Request{
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
			request: Request{
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
				if got := string(claims[name]); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			for _, name := range []string{"exp", "nbf", "iat"} {
				if _, err := strconv.ParseInt(string(claims[name]), 10, 64); err != nil {
					t.Errorf("%s is %s, no integer", name, claims[name])
				}
			}
			if len(claims) != 8 {
				t.Errorf("there are %d claims, want 8: %s", len(claims), claims)
			}
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
				issued := issue(t, key, Request{Service: "registry", Profile: ProfileX5C, TTL: tc.ttl})

				if issued.IssuedAt.Nanosecond() != 0 || issued.IssuedAt.Location() != time.UTC {
					t.Errorf("issued at %v, want whole seconds of UTC", issued.IssuedAt)
				}
				if ahead := issued.IssuedAt.Sub(now); ahead > 0 || ahead <= -time.Second {
					t.Errorf("issued %v ahead of now", ahead)
				}
				if issued.ExpiresIn != tc.expiresIn {
					t.Errorf("expires in %d, want %d", issued.ExpiresIn, tc.expiresIn)
				}
				var claims struct{ Exp, Nbf, Iat int64 }
				payload, err := json.Marshal(segment(t, issued.Token, 1))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(payload, &claims); err != nil {
					t.Fatal(err)
				}
				told := issued.IssuedAt.Unix()
				if claims.Exp != told+int64(issued.ExpiresIn) {
					t.Errorf("exp is %d seconds after issuing, the client was told %d", claims.Exp-told, issued.ExpiresIn)
				}
				if claims.Nbf != told-10 || claims.Iat != told-10 {
					t.Errorf("nbf and iat are %d and %d seconds after issuing, want -10", claims.Nbf-told, claims.Iat-told)
				}
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
		claims := segment(t, issue(t, key, Request{Service: "registry", Profile: ProfileX5C}).Token, 1)
		if got := string(claims["aud"]); got != `"registry"` {
			t.Errorf("aud is %s", got)
		}
		for _, name := range []string{"exp", "nbf", "iat"} {
			if !integer.Match(claims[name]) {
				t.Errorf("%s is %s", name, claims[name])
			}
		}
	}
}

func TestIssuedTokensDiffer(t *testing.T) {
	key, _ := newKey(t, pki.Ed25519)
	seen := map[string]bool{}
	for range 100 {
		id := string(segment(t, issue(t, key, Request{Service: "registry", Profile: ProfileX5C}).Token, 1)["jti"])
		if len(id) < 22 || seen[id] {
			t.Fatalf("jti %s is short or was there before", id)
		}
		seen[id] = true
	}
}

func TestClaimsAsTheLibraryReadsThem(t *testing.T) {
	key, roots := newKey(t, pki.EC256)
	issued := issue(t, key, Request{Issuer: "dockit", Service: "registry", Profile: ProfileX5C, Subject: "alice", TTL: time.Minute})
	var claims Claims
	if _, err := jwt.ParseWithClaims(issued.Token, &claims, func(token *jwt.Token) (any, error) {
		return publicKeyOf(t, ProfileX5C, token, key, roots), nil
	}, jwt.WithAudience("registry"), jwt.WithIssuer("dockit"), jwt.WithSubject("alice"), jwt.WithIssuedAt(), jwt.WithExpirationRequired()); err != nil {
		t.Fatal(err)
	}
	if claims.Audience != "registry" || claims.Subject != "alice" || claims.ExpiresAt-claims.IssuedAt != 70 {
		t.Errorf("claims are %+v", claims)
	}
}

func TestAccessTo(t *testing.T) {
	for name, granted := range map[string][]access.Scope{"nil": nil, "empty": {}} {
		if text, err := json.Marshal(accessTo(granted)); err != nil || string(text) != `[]` {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	key, _ := newKey(b, pki.EC256)
	request := Request{
		Issuer: "dockit", Service: "registry", Profile: ProfileX5C, Subject: "alice", TTL: 5 * time.Minute,
		Access: []access.Scope{{Type: access.Repository, Name: "team/app", Actions: access.Pull | access.Push}},
	}
	b.ReportAllocs()
	for b.Loop() {
		issue(b, key, request)
	}
}
