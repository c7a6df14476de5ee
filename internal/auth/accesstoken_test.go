package auth

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var aliceRef = subject.Ref{Kind: subject.User, Name: "alice"}

// newToken makes an access token and returns what its owner gets.
func (f *fixture) newToken(r TokenRequest) (string, error) {
	_, token, err := f.CreateAccessToken(f.Context(), r)
	return token.Reveal(), err
}

func (f *fixture) token(r TokenRequest) string {
	f.Helper()
	token, err := f.newToken(r)
	if err != nil {
		f.Fatal(err)
	}
	return token
}

func permission(t *testing.T, text string) access.Permission {
	t.Helper()
	p, err := access.ParsePermission(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAccessToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		yes := true
		f.change("alice", store.SubjectChange{Admin: &yes})
		ci := f.robot("ci")
		scope := permission(t, "repository:team/*:pull")
		for _, tc := range []struct {
			name    string
			request TokenRequest
			login   string
			address string
			ok      bool
			admin   bool
		}{
			{"robot", TokenRequest{Owner: ci, Name: "a"}, "ci", home, true, false},
			{"admin", TokenRequest{Owner: aliceRef, Name: "a"}, "alice", home, true, true},
			{"scopes open no admin API", TokenRequest{Owner: aliceRef, Name: "b", Scopes: []access.Permission{scope}}, "alice", home, true, false},
			{"another name", TokenRequest{Owner: ci, Name: "b"}, "alice", home, false, false},
			{"no name", TokenRequest{Owner: aliceRef, Name: "c"}, "", home, false, false},
			{"inside the network", TokenRequest{Owner: aliceRef, Name: "d", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.77/24")}}, "alice", home, true, true},
			{"inside the network, IPv4 in IPv6", TokenRequest{Owner: aliceRef, Name: "e", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, "alice", "::ffff:192.0.2.9", true, true},
			{"outside the network", TokenRequest{Owner: aliceRef, Name: "f", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "alice", home, false, false},
			{"not expired", TokenRequest{Owner: aliceRef, Name: "g", ExpiresAt: time.Now().Add(time.Second)}, "alice", home, true, true},
		} {
			p, err := f.try(tc.login, f.token(tc.request), tc.address)
			if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("%s: Authenticate = %v, want ok %v", tc.name, err, tc.ok)
			}
			if tc.ok && (p.Ref != tc.request.Owner || p.Admin != tc.admin || p.Method != ByAccessToken || !slices.Equal(p.Scopes, tc.request.Scopes)) {
				t.Errorf("%s: principal %+v", tc.name, p)
			}
		}
		if n := f.checks(); n != 0 {
			t.Errorf("%d checks of passwords", n)
		}
		if failures, err := f.store.RecentFailures(f.Context(), time.Time{}); err != nil || len(failures) != 0 {
			t.Errorf("wrong tokens are counted: %v, %v", failures, err)
		}
	})
}

func TestAccessTokenWithoutAnAddress(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a", Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
		if _, err := f.Authenticate(f.Context(), "alice", token); !errors.Is(err, ErrInvalidCredentials) {
			t.Errorf("from nowhere: %v", err)
		}
		f.accepted("alice", token, home)
	})
}

func TestAccessTokenEnds(t *testing.T) {
	yes, no := true, false
	for _, tc := range []struct {
		name string
		end  func(f *fixture, id string) error
		ends bool
	}{
		{"expired", func(*fixture, string) error { time.Sleep(time.Hour); return nil }, true},
		{"revoked", func(f *fixture, id string) error {
			_, _, err := f.store.RevokeAccessToken(f.Context(), id, false)
			return err
		}, true},
		{"owner removed", func(f *fixture, _ string) error { return f.store.DeleteSubject(f.Context(), aliceRef, 0) }, true},
		{"owner disabled", func(f *fixture, _ string) error { f.change("alice", store.SubjectChange{Disabled: &yes}); return nil }, true},
		{"owner disabled and enabled again", func(f *fixture, _ string) error {
			f.change("alice", store.SubjectChange{Disabled: &yes})
			f.change("alice", store.SubjectChange{Disabled: &no})
			return nil
		}, false},
		{"another password", func(f *fixture, _ string) error {
			hash := f.hash("another password")
			f.change("alice", store.SubjectChange{PasswordHash: &hash})
			return nil
		}, false},
		{"rotated", func(f *fixture, id string) error {
			_, _, err := f.RotateAccessToken(f.Context(), id, 0, nil)
			return err
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				token := f.token(TokenRequest{Owner: aliceRef, Name: "a", ExpiresAt: time.Now().Add(time.Hour)})
				f.accepted("alice", token, home)
				parsed, err := opaque.Parse(token)
				if err != nil {
					t.Fatal(err)
				}
				if err := tc.end(f, parsed.ID()); err != nil {
					t.Fatal(err)
				}
				if tc.ends {
					f.refused("alice", token, home)
				} else {
					f.accepted("alice", token, home)
				}
			})
		})
	}
}

func TestRotateWithGrace(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		first := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(first)
		if err != nil {
			t.Fatal(err)
		}
		rotate := func(grace time.Duration) string {
			t.Helper()
			rotated, token, err := f.RotateAccessToken(f.Context(), parsed.ID(), grace, nil)
			if err != nil || rotated.ID != parsed.ID() || token.ID() != parsed.ID() {
				t.Fatalf("rotated %+v, %v", rotated, err)
			}
			return token.Reveal()
		}
		second := rotate(time.Hour)
		f.accepted("alice", first, home)
		f.accepted("alice", second, home)
		time.Sleep(time.Hour)
		f.refused("alice", first, home)
		f.accepted("alice", second, home)

		third := rotate(time.Hour)
		fourth := rotate(time.Hour)
		f.refused("alice", second, home)
		f.accepted("alice", third, home)
		f.accepted("alice", fourth, home)
		fifth := rotate(0)
		f.refused("alice", fourth, home)
		f.accepted("alice", fifth, home)

		for name, rotation := range map[string]func() error{
			"unknown id":     func() error { _, _, err := f.RotateAccessToken(f.Context(), "abcdefghijkl", 0, nil); return err },
			"no id":          func() error { _, _, err := f.RotateAccessToken(f.Context(), "17", 0, nil); return err },
			"negative grace": func() error { _, _, err := f.RotateAccessToken(f.Context(), parsed.ID(), -1, nil); return err },
			"expiry in the past": func() error {
				at := time.Now()
				_, _, err := f.RotateAccessToken(f.Context(), parsed.ID(), 0, &at)
				return err
			},
		} {
			if err := rotation(); !errors.Is(err, store.ErrNotFound) && !errors.Is(err, ErrTokenRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.accepted("alice", fifth, home)
	})
}

// TestRotationKeepsLimits shows what rotating a token cannot get around.
func TestRotationKeepsLimits(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		const day = 24 * time.Hour
		ci := f.robot("ci")
		rotate := func(token string, grace time.Duration, expiresAt *time.Time) (store.AccessToken, error) {
			parsed, err := opaque.Parse(token)
			if err != nil {
				t.Fatal(err)
			}
			rotated, _, err := f.RotateAccessToken(f.Context(), parsed.ID(), grace, expiresAt)
			return rotated, err
		}
		short := f.token(TokenRequest{Owner: ci, Name: "short", ExpiresAt: time.Now().Add(time.Hour)})
		endless := f.token(TokenRequest{Owner: ci, Name: "endless"})
		time.Sleep(time.Hour)
		f.token(TokenRequest{Owner: ci, Name: "second"})
		later := time.Now().Add(day)
		for _, expiresAt := range []*time.Time{nil, &later} {
			if _, err := rotate(short, 0, expiresAt); !errors.Is(err, ErrTokenRequest) || !errors.Is(err, store.ErrExpired) {
				t.Errorf("an expired token: %v", err)
			}
		}
		if rotated, err := rotate(endless, 0, nil); err != nil || !rotated.ExpiresAt.IsZero() {
			t.Errorf("without a ceiling: %v, %v", rotated.ExpiresAt, err)
		}
		f.with(Options{AccessTokenLife: day})
		if _, err := rotate(endless, 2*day, nil); !errors.Is(err, ErrTokenRequest) {
			t.Errorf("grace beyond the ceiling: %v", err)
		}
		if rotated, err := rotate(endless, day, nil); err != nil || time.Until(rotated.ExpiresAt) > day {
			t.Errorf("with a ceiling: %v, %v", rotated.ExpiresAt, err)
		}
	})
}

func TestCreateAccessTokenRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{AccessTokenLife: 30 * 24 * time.Hour})
		now, ci := time.Now(), f.robot("ci")
		for _, tc := range []struct {
			name    string
			request TokenRequest
			err     error
			says    string
		}{
			{"name with spaces", TokenRequest{Owner: aliceRef, Name: "my laptop"}, ErrTokenRequest, "my laptop"},
			{"expired", TokenRequest{Owner: aliceRef, Name: "a", ExpiresAt: now.Add(-time.Hour)}, ErrTokenRequest, "over"},
			{"beyond the ceiling", TokenRequest{Owner: aliceRef, Name: "a", ExpiresAt: now.Add(31 * 24 * time.Hour)}, ErrTokenRequest, "at most"},
			{"invalid scope", TokenRequest{Owner: aliceRef, Name: "a", Scopes: []access.Permission{{Type: "x", Name: "y", Actions: access.Pull}}}, ErrTokenRequest, "unknown type"},
			{"too many scopes", TokenRequest{Owner: aliceRef, Name: "a", Scopes: make([]access.Permission, 65)}, ErrTokenRequest, "65 scopes"},
			{"no network", TokenRequest{Owner: aliceRef, Name: "a", Networks: make([]netip.Prefix, 1)}, ErrTokenRequest, "no network"},
			{"nobody", TokenRequest{Owner: subject.Ref{Kind: subject.User, Name: "nobody"}, Name: "a"}, store.ErrNotFound, "user:nobody"},
			{"anonymous", TokenRequest{Owner: subject.Anonymous, Name: "a"}, store.ErrBuiltIn, "anonymous"},
			{"first of a robot", TokenRequest{Owner: ci, Name: "a"}, nil, ""},
			{"second of a robot", TokenRequest{Owner: ci, Name: "b"}, nil, ""},
			{"third of a robot", TokenRequest{Owner: ci, Name: "c"}, store.ErrTooMany, "rotate or revoke"},
		} {
			created, _, err := f.CreateAccessToken(f.Context(), tc.request)
			if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: CreateAccessToken = %v, want %v about %q", tc.name, err, tc.err, tc.says)
			}
			if err == nil && !created.ExpiresAt.Equal(now.Add(30*24*time.Hour)) {
				t.Errorf("%s: without an expiry it expires at %s", tc.name, created.ExpiresAt)
			}
		}
	})
}

func TestAccessTokenIsStoredHashed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		login, err := f.store.AccessTokenLogin(f.Context(), parsed.ID())
		if err != nil || !parsed.Matches(login.Hash) || bytes.Contains(login.Hash, []byte(token[20:40])) {
			t.Fatalf("stored %q, %v", login.Hash, err)
		}
	})
}

func TestTokensDoNotWaitForHashing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		defer f.occupy()()
		if d := took(func() { f.accepted("alice", token, home) }); d != 0 {
			t.Errorf("a token waits %s for hashing", d)
		}
		if _, err := f.try("bob", secret, home); !errors.Is(err, ErrBusy) {
			t.Errorf("a password: %v, want %v", err, ErrBusy)
		}
	})
}
