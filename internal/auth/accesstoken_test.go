package auth

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth/passwords"
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
	require.NoError(f, err)
	return token
}

func permission(t *testing.T, text string) access.Permission {
	t.Helper()
	p, err := access.ParsePermission(text)
	require.NoError(t, err)
	return p
}

func TestAccessToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		yes := true
		f.Change("alice", store.SubjectChange{Admin: &yes})
		ci := f.Robot("ci")
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
			if !tc.ok {
				require.ErrorIs(t, err, ErrInvalidCredentials, tc.name)
				continue
			}
			require.NoError(t, err, tc.name)
			assert.Equal(t, tc.request.Owner, p.Ref, tc.name)
			assert.Equal(t, tc.admin, p.Admin, tc.name)
			assert.Equal(t, ByAccessToken, p.Method, tc.name)
			assert.True(t, slices.Equal(tc.request.Scopes, p.Scopes), "%s: scopes %v", tc.name, p.Scopes)
		}
		assert.Zero(t, f.Checks(), "checks of passwords")
		failures, err := f.store.RecentFailures(f.Context(), time.Time{})
		require.NoError(t, err, "wrong tokens are counted")
		assert.Empty(t, failures, "wrong tokens are counted")
	})
}

func TestAccessTokenWithoutAnAddress(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a", Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
		_, err := f.Authenticate(f.Context(), "alice", token)
		require.ErrorIs(t, err, ErrInvalidCredentials, "from nowhere")
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
		{"owner disabled", func(f *fixture, _ string) error { f.Change("alice", store.SubjectChange{Disabled: &yes}); return nil }, true},
		{"owner disabled and enabled again", func(f *fixture, _ string) error {
			f.Change("alice", store.SubjectChange{Disabled: &yes})
			f.Change("alice", store.SubjectChange{Disabled: &no})
			return nil
		}, false},
		{"another password", func(f *fixture, _ string) error {
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{PasswordHash: &hash})
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
				require.NoError(t, err)
				require.NoError(t, tc.end(f, parsed.ID()))
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
		require.NoError(t, err)
		rotate := func(grace time.Duration) string {
			t.Helper()
			rotated, token, err := f.RotateAccessToken(f.Context(), parsed.ID(), grace, nil)
			require.NoError(t, err, "rotated")
			require.Equal(t, parsed.ID(), rotated.ID, "rotated %+v", rotated)
			require.Equal(t, parsed.ID(), token.ID(), "rotated %+v", rotated)
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
			if err := rotation(); !errors.Is(err, store.ErrNotFound) {
				assert.ErrorIs(t, err, ErrTokenRequest, name)
			}
		}
		f.accepted("alice", fifth, home)
	})
}

// TestRotationKeepsLimits shows what rotating a token cannot get around.
func TestRotationKeepsLimits(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		const day = 24 * time.Hour
		ci := f.Robot("ci")
		rotate := func(token string, grace time.Duration, expiresAt *time.Time) (store.AccessToken, error) {
			parsed, err := opaque.Parse(token)
			require.NoError(t, err)
			rotated, _, err := f.RotateAccessToken(f.Context(), parsed.ID(), grace, expiresAt)
			return rotated, err
		}
		short := f.token(TokenRequest{Owner: ci, Name: "short", ExpiresAt: time.Now().Add(time.Hour)})
		endless := f.token(TokenRequest{Owner: ci, Name: "endless"})
		time.Sleep(time.Hour)
		f.token(TokenRequest{Owner: ci, Name: "second"})
		later := time.Now().Add(day)
		for _, expiresAt := range []*time.Time{nil, &later} {
			_, err := rotate(short, 0, expiresAt)
			require.ErrorIs(t, err, ErrTokenRequest, "an expired token")
			require.ErrorIs(t, err, store.ErrExpired, "an expired token")
		}
		rotated, err := rotate(endless, 0, nil)
		require.NoError(t, err, "without a ceiling")
		assert.Zero(t, rotated.ExpiresAt, "without a ceiling")
		brief := f.token(TokenRequest{Owner: aliceRef, Name: "brief", ExpiresAt: time.Now().Add(time.Hour)})
		f.with(Options{AccessTokenLife: day})
		rotated, err = rotate(brief, 0, nil)
		require.NoError(t, err, "one that ends before the ceiling")
		assert.LessOrEqual(t, time.Until(rotated.ExpiresAt), time.Hour, "one that ends before the ceiling: %v", rotated.ExpiresAt)
		_, err = rotate(endless, 2*day, nil)
		require.ErrorIs(t, err, ErrTokenRequest, "grace beyond the ceiling")
		rotated, err = rotate(endless, day, nil)
		require.NoError(t, err, "with a ceiling: %v", rotated.ExpiresAt)
		assert.LessOrEqual(t, time.Until(rotated.ExpiresAt), day, "with a ceiling: %v", rotated.ExpiresAt)
	})
}

func TestCreateAccessTokenRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{AccessTokenLife: 30 * 24 * time.Hour})
		now, ci := time.Now(), f.Robot("ci")
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
			require.ErrorIs(t, err, tc.err, tc.name)
			if err != nil {
				assert.ErrorContains(t, err, tc.says, tc.name)
			} else {
				assert.WithinDuration(t, now.Add(30*24*time.Hour), created.ExpiresAt, 0, "%s: without an expiry it expires", tc.name)
			}
		}
	})
}

func TestAccessTokenIsStoredHashed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(token)
		require.NoError(t, err)
		login, err := f.store.AccessTokenLogin(f.Context(), parsed.ID())
		require.NoError(t, err, "stored %q", login.Hash)
		require.True(t, parsed.Matches(login.Hash), "stored %q", login.Hash)
		require.NotContains(t, string(login.Hash), token[20:40], "stored %q", login.Hash)
	})
}

func TestTokensDoNotWaitForHashing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		defer f.occupy()()
		d := took(func() { f.accepted("alice", token, home) })
		assert.Zero(t, d, "a token waits %s for hashing", d)
		_, err := f.try("bob", secret, home)
		assert.ErrorIs(t, err, ErrBusy, "a password")
	})
}

func TestTokensAreNotDelayed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true, Passwords: passwords.Options{Ceiling: 5}})
		access, err := f.newToken(TokenRequest{Owner: subject.Ref{Kind: subject.User, Name: "alice"}, Name: "laptop"})
		require.NoError(t, err)
		refresh, err := f.IssueRefreshToken(from(f.Context(), home), f.accepted("alice", secret, home), "registry.example.com")
		require.NoError(t, err)
		for range 10 {
			f.guessed("alice", home)
		}
		f.throttled("alice", secret, home)
		before := f.Checks()
		for name, token := range map[string]string{"access token": access, "refresh token": refresh} {
			d := took(func() { f.accepted("alice", token, home) })
			assert.Zero(t, d, "the %s waits %s", name, d)
		}
		// A right token does not open the door for passwords either.
		f.throttled("alice", secret, home)
		assert.Equal(t, before, f.Checks(), "a token was checked like a password")
	})
}

func TestBoundsOfATokenRequest(t *testing.T) {
	of := func(scopes, networks int) TokenRequest {
		r := TokenRequest{Networks: slices.Repeat([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, networks)}
		scope, err := access.ParsePermission("repository:team/app:pull")
		require.NoError(t, err)
		r.Scopes = slices.Repeat([]access.Permission{scope}, scopes)
		return r
	}
	require.NoError(t, of(maxScopes, maxNetworks).validate())
	require.ErrorIs(t, of(maxScopes+1, 0).validate(), ErrTokenRequest)
	require.ErrorIs(t, of(0, maxNetworks+1).validate(), ErrTokenRequest)
}
