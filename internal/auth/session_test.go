package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// exchange gets the password of a session for a token of a job.
func (f *issuerFixture) exchange(e Exchange) Session {
	f.Helper()
	if e.Token == "" {
		e.Token = f.job()
	}
	e.Service = registry
	got, err := f.Exchange(from(f.Context(), home), e)
	require.NoError(f, err)
	return got
}

// session gets what docker login keeps of a job.
func (f *issuerFixture) session() string {
	f.Helper()
	text, err := f.IssueRefreshToken(from(f.Context(), home), f.takes("ci", f.job()), registry)
	require.NoError(f, err)
	require.NotEmpty(f, text)
	return text
}

// refuses fails the test unless a session is refused for a reason.
func (f *issuerFixture) refuses(a *Authenticator, name, secret, why string) {
	f.Helper()
	attempt := new(Attempt)
	_, err := a.AuthenticateAt(WithAttempt(from(f.Context(), home), attempt), registry, name, secret)
	require.ErrorIs(f, err, ErrInvalidCredentials, why)
	require.Contains(f, attempt.Fault, why)
}

// rebind changes the binding of the jobs.
func (f *issuerFixture) rebind(change func(b *federation.Binding)) {
	f.Helper()
	current, err := f.Store.Binding(f.Context(), "job")
	require.NoError(f, err)
	change(&current.Binding)
	_, err = f.Store.ApplyState(f.Context(), &state.Document{Bindings: []state.Binding{current.Binding}}, state.Options{})
	require.NoError(f, err)
}

func TestSessionIsAPasswordOfItsRobot(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		pull, err := access.ParsePermission("repository:team/app:pull")
		require.NoError(t, err)
		got := f.exchange(Exchange{Scopes: []access.Permission{pull}})
		assert.Equal(t, []string{"robot:ci", "idp"}, []string{got.Robot.String(), got.Issuer})
		assert.Equal(t, f.Store.Now().Add(6*time.Hour).Unix(), got.ExpiresAt.Unix())
		for _, name := range []string{"ci", "CI", "_"} {
			p := f.takes(name, got.Token.Reveal())
			assert.Equal(t, []any{"robot:ci", BySession, false}, []any{p.Ref.String(), p.Method, p.Admin})
			assert.Equal(t, access.Pull, p.Narrow.Allowed(access.Repository, "team/app"))
			assert.Nil(t, p.Bound)
			assert.Equal(t, got.ExpiresAt.Unix(), p.Credential.ExpiresAt.Unix())
			another, err := f.IssueRefreshToken(t.Context(), p, registry)
			require.NoError(t, err)
			assert.Empty(t, another, "no session makes another")
		}
		refresh := f.session()
		for _, name := range []string{"ci", "_", "", "<token>"} {
			assert.Equal(t, BySession, f.takes(name, refresh).Method, name)
		}
		for _, secret := range []string{got.Token.Reveal(), refresh} {
			f.refused("ci", secret, home) // as at the admin API, which is no service
			f.refuses(f.Authenticator, "alice", secret, "another name")
			_, err := f.AuthenticateAt(from(t.Context(), home), "another", "ci", secret)
			require.ErrorIs(t, err, ErrInvalidCredentials)
		}
		assert.Zero(t, f.Checks(), "nothing is hashed")
		assert.Zero(t, f.Failures())
	})
}

func TestSessionIsOver(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		password, refresh := f.exchange(Exchange{}).Token.Reveal(), f.session()
		f.takes("ci", password)
		time.Sleep(6*time.Hour - time.Second)
		f.takes("ci", password)
		f.takes("ci", refresh)
		time.Sleep(time.Second)
		f.refuses(f.Authenticator, "ci", password, "it is over")
		f.refuses(f.Authenticator, "ci", refresh, "it is over")
	})
}

// TestSessionHasTheRightsOfItsBindingAsItIs: what a binding says later counts, when
// it takes something away and when it gives it.
func TestSessionHasTheRightsOfItsBindingAsItIs(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		password := f.exchange(Exchange{}).Token.Reveal()
		allowed := func(a *Authenticator) access.Actions {
			t.Helper()
			p, err := f.login(a, "ci", password, home)
			require.NoError(t, err)
			if p.Bound == nil {
				return access.All
			}
			return p.Bound.Allowed(access.Repository, "team/app")
		}
		there := f.node()
		assert.Equal(t, access.All, allowed(f.Authenticator))
		assert.Equal(t, access.All, allowed(there))
		for _, c := range []struct {
			scopes []string
			want   access.Actions
		}{
			{[]string{"repository:team/app:pull"}, access.Pull},
			{[]string{"repository:other/app:pull"}, 0},
			{nil, access.All},
		} {
			f.rebind(func(b *federation.Binding) {
				b.Scopes = nil
				for _, text := range c.scopes {
					p, err := access.ParsePermission(text)
					require.NoError(t, err)
					b.Scopes = append(b.Scopes, p)
				}
			})
			assert.Equal(t, c.want, allowed(f.Authenticator))
			time.Sleep(2 * time.Second)
			assert.Equal(t, c.want, allowed(there), "two seconds later at another node")
		}
	})
}

// TestChangesEndSessions checks that they end at once on the node, and within two
// seconds on another one that has them in memory.
func TestChangesEndSessions(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		off, on func(f *issuerFixture) error
	}{
		"robot disabled": {
			func(f *issuerFixture) error { f.Change("ci", store.SubjectChange{Disabled: &yes}); return nil },
			func(f *issuerFixture) error { f.Change("ci", store.SubjectChange{Disabled: &no}); return nil },
		},
		"binding disabled": {
			func(f *issuerFixture) error {
				_, _, err := f.Store.SetBindingDisabled(f.Context(), "job", true, 0)
				return err
			},
			func(f *issuerFixture) error {
				_, _, err := f.Store.SetBindingDisabled(f.Context(), "job", false, 0)
				return err
			},
		},
		"issuer disabled": {
			func(f *issuerFixture) error {
				_, err := f.Store.SetIssuerDisabled(f.Context(), "idp", true, 0)
				return err
			},
			func(f *issuerFixture) error {
				_, err := f.Store.SetIssuerDisabled(f.Context(), "idp", false, 0)
				return err
			},
		},
		"binding removed and made again": {
			func(f *issuerFixture) error { return f.Store.DeleteBinding(f.Context(), "job", 0) },
			func(f *issuerFixture) error { f.bind("job", "ci", "sub=job"); return nil },
		},
		"claims do not meet the conditions": {
			func(f *issuerFixture) error {
				f.rebind(func(b *federation.Binding) { b.Claims = []federation.Condition{{Name: "sub", Value: "other"}} })
				return nil
			},
			func(f *issuerFixture) error {
				f.rebind(func(b *federation.Binding) { b.Claims = []federation.Condition{{Name: "sub", Value: "job"}} })
				return nil
			},
		},
		"robot removed": {
			func(f *issuerFixture) error {
				return f.Store.DeleteSubject(f.Context(), subject.Ref{Kind: subject.Robot, Name: "ci"}, 0)
			}, nil,
		},
		"issuer removed": {
			func(f *issuerFixture) error { _, err := f.Store.DeleteIssuer(f.Context(), "idp", 0); return err }, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			withIssuer(t, func(t *testing.T, f *issuerFixture) {
				secrets := []string{f.exchange(Exchange{}).Token.Reveal(), f.session()}
				there := f.node()
				for _, secret := range secrets {
					f.takes("ci", secret)
					_, err := f.login(there, "ci", secret, home)
					require.NoError(t, err)
				}
				require.NoError(t, c.off(f))
				for _, secret := range secrets {
					f.refuses(f.Authenticator, "ci", secret, "")
				}
				time.Sleep(2 * time.Second)
				for _, secret := range secrets {
					f.refuses(there, "ci", secret, "")
				}
				if c.on == nil {
					return
				}
				require.NoError(t, c.on(f))
				for range 2 {
					for _, secret := range secrets {
						f.refuses(f.Authenticator, "ci", secret, "")
						f.refuses(there, "ci", secret, "")
					}
					time.Sleep(2 * time.Second)
				}
				f.takes("ci", f.job())
				f.takes("ci", f.exchange(Exchange{}).Token.Reveal())
			})
		})
	}
}

// TestRevokedSessionEndsElsewhere within two seconds.
func TestRevokedSessionEndsElsewhere(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		there := f.node()
		for _, secret := range []string{f.exchange(Exchange{}).Token.Reveal(), f.session()} {
			_, err := f.login(there, "ci", secret, home)
			require.NoError(t, err)
			require.NoError(t, f.Revoke(from(t.Context(), home), secret))
			f.refuses(f.Authenticator, "ci", secret, "")
			time.Sleep(2 * time.Second)
			f.refuses(there, "ci", secret, "")
			require.ErrorIs(t, f.Revoke(from(t.Context(), home), secret), ErrUnknownToken)
		}
	})
}

// TestSessionsWhileTheDatabaseIsAway: they come from memory, and a job that logs in
// gets what does not need the database.
func TestSessionsWhileTheDatabaseIsAway(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		password, refresh := f.exchange(Exchange{}).Token.Reveal(), f.session()
		unused := f.exchange(Exchange{}).Token.Reveal()
		f.takes("ci", password)
		f.takes("ci", refresh)
		f.Raw("ALTER TABLE sessions RENAME TO gone", "ALTER TABLE issuers RENAME TO gone1", "ALTER TABLE subjects RENAME TO gone2", "ALTER TABLE revision RENAME TO gone3")
		time.Sleep(5 * time.Second)
		f.takes("ci", password)
		f.takes("ci", refresh)
		_, err := f.login(f.Authenticator, "ci", unused, home)
		require.ErrorIs(t, err, cache.ErrUnavailable, "memory never proves that there is no session")
		given, err := f.IssueRefreshToken(t.Context(), f.takes("ci", f.job()), registry)
		require.NoError(t, err)
		assert.Empty(t, given)
		_, err = f.Exchange(from(t.Context(), home), Exchange{Token: f.job(), Service: registry})
		require.ErrorIs(t, err, cache.ErrUnavailable)
		for _, secret := range []string{password, refresh, unused} {
			require.ErrorIs(t, f.Revoke(from(t.Context(), home), secret), cache.ErrUnavailable)
		}
	})
}

func TestExchangeSaysWhatIsWrong(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		for name, c := range map[string]struct {
			e       Exchange
			unknown bool
		}{
			"no token of an issuer":  {Exchange{Token: "x", Service: registry}, false},
			"no service":             {Exchange{Token: f.job()}, false},
			"conditions":             {Exchange{Token: f.job(map[string]any{"sub": "other"}), Service: registry, Robot: "ci"}, false},
			"any robot":              {Exchange{Token: f.job(map[string]any{"sub": "other"}), Service: registry}, false},
			"robot that is nobody":   {Exchange{Token: f.job(), Service: registry, Robot: "nobody"}, true},
			"name of a person":       {Exchange{Token: f.job(), Service: registry, Robot: "alice"}, true},
			"forged, unknown robot":  {Exchange{Token: f.forged(), Service: registry, Robot: "nobody"}, false},
			"another, unknown robot": {Exchange{Token: f.job(map[string]any{"aud": "x"}), Service: registry, Robot: "nobody"}, false},
		} {
			_, err := f.Exchange(from(t.Context(), home), c.e)
			var told *IssuerTokenError
			require.ErrorAs(t, err, &told, name)
			assert.Equal(t, c.unknown, told.UnknownRobot, name)
		}
		_, err := f.Exchange(t.Context(), Exchange{Token: f.job(), Service: registry, Scopes: make([]access.Permission, 65)})
		require.ErrorIs(t, err, ErrTokenRequest)
	})
}

func TestUsesOfSessionsAreRecorded(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		got := f.exchange(Exchange{})
		time.Sleep(time.Minute)
		_, err := f.login(f.Authenticator, "ci", got.Token.Reveal(), "198.51.100.7")
		require.NoError(t, err)
		used := f.Store.Now()
		time.Sleep(time.Minute)
		session, err := f.Store.Session(t.Context(), got.Token.ID())
		require.NoError(t, err)
		assert.Equal(t, "198.51.100.7", session.LastUse.Address)
		assert.WithinDuration(t, used, session.LastUse.At, time.Second)
		assert.Equal(t, "[{sub [job]}]", fmt.Sprint(session.Claims))
	})
}
