package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

const registry = "registry.example.com"

// login has alice log in and returns the refresh token that docker keeps.
func (f *fixture) login() string {
	f.Helper()
	token, err := f.IssueRefreshToken(from(f.Context(), home), f.accepted("alice", secret, home), registry)
	if err != nil || token == "" {
		f.Fatalf("refresh token %q, %v", token, err)
	}
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
		if err != nil {
			t.Fatal(err)
		}
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
			if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("%s: Refresh = %v, want ok %v", tc.name, err, tc.ok)
			}
			if tc.ok && (p.Ref != aliceRef || p.Method != ByRefreshToken || len(p.Scopes) != 0) {
				t.Errorf("%s: principal %+v", tc.name, p)
			}
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
			if (err == nil) != tc.ok || tc.ok && p.Ref != aliceRef {
				t.Errorf("%s: AuthenticateAt = %+v, %v; want ok %v", tc.name, p, err, tc.ok)
			}
		}
		if failures, err := f.store.RecentFailures(f.Context(), time.Time{}); err != nil || len(failures) != 0 {
			t.Errorf("wrong tokens are counted: %v, %v", failures, err)
		}
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
		{"disabled", func(f *fixture, _ string) { f.change("alice", store.SubjectChange{Disabled: &yes}) }, true},
		{"another password", func(f *fixture, _ string) {
			hash := f.hash("another password")
			f.change("alice", store.SubjectChange{PasswordHash: &hash})
		}, true},
		{"removed", func(f *fixture, _ string) {
			if err := f.store.DeleteSubject(f.Context(), aliceRef, 0); err != nil {
				f.Fatal(err)
			}
		}, true},
		{"switched off", func(f *fixture, _ string) { f.with(Options{}) }, true},
		{"revoked with all others", func(f *fixture, _ string) {
			if n, _, err := f.store.RevokeRefreshTokens(f.Context(), aliceRef); n != 1 || err != nil {
				f.Fatal(n, err)
			}
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.with(Options{RefreshTokens: true})
				token := f.login()
				tc.end(f, token)
				if _, err := f.Refresh(f.Context(), registry, token); errors.Is(err, ErrInvalidCredentials) != tc.ends {
					t.Errorf("Refresh = %v, want it to end: %v", err, tc.ends)
				}
			})
		})
	}
}

func TestIssueRefreshToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		byPassword := f.accepted("alice", secret, home)
		if token, err := f.IssueRefreshToken(t.Context(), byPassword, registry); token != "" || err != nil {
			t.Errorf("switched off: %q, %v", token, err)
		}
		f.with(Options{RefreshTokens: true})
		token := f.login()
		if !strings.HasPrefix(token, "dockitrefresh_") || token == f.login() {
			t.Errorf("token %q", token)
		}
		// An access token has limits that a refresh token would not have.
		byAccessToken := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a"}), home)
		byRefreshToken := f.accepted("alice", token, home)
		for _, p := range []Principal{byAccessToken, byRefreshToken} {
			if token, err := f.IssueRefreshToken(t.Context(), p, registry); token != "" || err != nil {
				t.Errorf("by %s: %q, %v", p.Method, token, err)
			}
		}
		hash := f.hash("another password")
		f.change("alice", store.SubjectChange{PasswordHash: &hash})
		if token, err := f.IssueRefreshToken(t.Context(), byPassword, registry); token != "" || !errors.Is(err, ErrInvalidCredentials) {
			t.Errorf("for a password that was changed: %q, %v", token, err)
		}
	})
}
