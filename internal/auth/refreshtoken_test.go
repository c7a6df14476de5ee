package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

const registry = "registry.example.com"

// login has alice log in and returns the refresh token that docker keeps.
func (f *fixture) login() string {
	f.Helper()
	token, err := f.IssueRefreshToken(from(f.Context(), home), f.accepted("alice", secret, home), registry)
	require.NoError(f, err)
	require.NotEmpty(f, token)
	return token
}

// mistyped is a token with another last character.
func mistyped(token string) string {
	if strings.HasSuffix(token, "a") {
		return token[:len(token)-1] + "b"
	}
	return token[:len(token)-1] + "a"
}

func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		token := f.login()
		access := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(token)
		require.NoError(t, err)
		for _, tc := range []struct {
			name, service, token string
			ok                   bool
		}{
			{"its service", registry, token, true},
			{"once more", registry, token, true},
			{"another service", "other.example.com", token, false},
			{"access token", registry, access, false},
			{"password", registry, secret, false},
			{"empty", registry, "", false},
			{"mistyped", registry, mistyped(token), false},
			{"another secret", registry, opaque.WithNewSecret(opaque.Refresh, parsed.ID()).Reveal(), false},
			{"its id as access token", registry, opaque.WithNewSecret(opaque.Access, parsed.ID()).Reveal(), false},
			{"made up", registry, opaque.New(opaque.Refresh).Reveal(), false},
		} {
			p, err := f.Refresh(f.Context(), tc.service, tc.token)
			if !tc.ok {
				require.ErrorIs(t, err, ErrInvalidCredentials, tc.name)
				continue
			}
			require.NoError(t, err, tc.name)
			assert.Equal(t, aliceRef, p.Ref, tc.name)
			assert.Equal(t, ByRefreshToken, p.Method, tc.name)
			assert.Empty(t, p.Scopes, tc.name)
		}
	})
}

func TestRefreshTokenAsPassword(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		token := f.login()
		for _, tc := range []struct {
			name, service, username string
			ok                      bool
		}{
			{"empty name", registry, "", true},
			{"name of docker's credential helpers", registry, "<token>", true},
			{"owner", registry, "alice", true},
			{"somebody else", registry, "bob", false},
			{"another service", "other.example.com", "", false},
			{"the admin API, which is no service", anyService, "alice", true},
		} {
			p, err := f.AuthenticateAt(f.Context(), tc.service, tc.username, token)
			assert.Equal(t, tc.ok, err == nil, "%s: %v", tc.name, err)
			if tc.ok {
				assert.Equal(t, aliceRef, p.Ref, tc.name)
			}
		}
		failures, err := f.store.RecentFailures(f.Context(), time.Time{})
		require.NoError(t, err, "wrong tokens are counted")
		assert.Empty(t, failures, "wrong tokens are counted")
	})
}

func TestRefreshTokenEnds(t *testing.T) {
	const day = 24 * time.Hour
	yes := true
	for _, tc := range []struct {
		name string
		end  func(f *fixture, token string)
		ends bool
	}{
		{"used now and then", func(f *fixture, token string) {
			for range 8 {
				time.Sleep(10 * day)
				f.accepted("alice", token, home)
				time.Sleep(time.Minute)
			}
		}, false},
		{"at the end of its life", func(f *fixture, token string) {
			for range 9 {
				f.accepted("alice", token, home)
				time.Sleep(10 * day)
			}
		}, true},
		{"idle", func(*fixture, string) { time.Sleep(30 * day) }, true},
		// The idle life ends between a use and the time it is written down.
		{"used a moment ago", func(f *fixture, token string) {
			f.with(Options{RefreshTokens: true, RefreshTokenIdle: time.Minute})
			time.Sleep(45 * time.Second)
			f.accepted("alice", token, home)
			time.Sleep(20 * time.Second)
		}, false},
		{"idle after that", func(f *fixture, token string) {
			f.with(Options{RefreshTokens: true, RefreshTokenIdle: time.Minute})
			time.Sleep(45 * time.Second)
			f.accepted("alice", token, home)
			time.Sleep(time.Minute)
		}, true},
		{"disabled", func(f *fixture, _ string) { f.Change("alice", store.SubjectChange{Disabled: &yes}) }, true},
		{"another password", func(f *fixture, _ string) {
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		}, true},
		{"removed", func(f *fixture, _ string) {
			require.NoError(f, f.store.DeleteSubject(f.Context(), aliceRef, 0))
		}, true},
		{"switched off", func(f *fixture, _ string) { f.with(Options{}) }, true},
		{"revoked with all others", func(f *fixture, _ string) {
			n, _, err := f.store.RevokeRefreshTokens(f.Context(), aliceRef)
			require.EqualValues(f, 1, n)
			require.NoError(f, err)
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.with(Options{RefreshTokens: true})
				token := f.login()
				tc.end(f, token)
				_, err := f.Refresh(f.Context(), registry, token)
				assert.Equal(t, tc.ends, errors.Is(err, ErrInvalidCredentials), "Refresh = %v, want it to end", err)
			})
		})
	}
}

func TestIssueRefreshToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		byPassword := f.accepted("alice", secret, home)
		token, err := f.IssueRefreshToken(t.Context(), byPassword, registry)
		assert.Empty(t, token, "switched off")
		require.NoError(t, err, "switched off")
		f.with(Options{RefreshTokens: true})
		token = f.login()
		assert.True(t, strings.HasPrefix(token, "dockitrefresh_"))
		assert.NotEqual(t, f.login(), token)
		// An access token has limits that a refresh token would not have.
		byAccessToken := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a"}), home)
		byRefreshToken := f.accepted("alice", token, home)
		for _, p := range []Principal{byAccessToken, byRefreshToken} {
			token, err := f.IssueRefreshToken(t.Context(), p, registry)
			assert.Empty(t, token, "by %s", p.Method)
			require.NoError(t, err, "by %s", p.Method)
		}
		hash := f.Hash("another password")
		f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		token, err = f.IssueRefreshToken(t.Context(), byPassword, registry)
		assert.Empty(t, token, "for a password that was changed")
		assert.ErrorIs(t, err, ErrInvalidCredentials, "for a password that was changed")
	})
}
