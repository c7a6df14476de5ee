package auth

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// issuerFixture is a fixture with an issuer, whose jobs stand for robot:ci.
type issuerFixture struct {
	*fixture
	issuer *issuertest.Issuer
}

// withIssuer runs a test with an issuer whose keys were given.
func withIssuer(t *testing.T, test func(t *testing.T, f *issuerFixture)) {
	t.Helper()
	bubble(t, func(t *testing.T, f *fixture) {
		i := &issuerFixture{f, issuertest.Offline(t, "https://idp.example.com")}
		f.Robot("ci")
		i.trust(federation.Issuer{Name: "idp", URL: i.issuer.URL, Kind: federation.Generic, JWKS: string(i.issuer.JWKS())})
		i.bind("job", "ci", "sub=job")
		test(t, i)
	})
}

func (f *issuerFixture) trust(issuer federation.Issuer) {
	f.Helper()
	_, err := f.Store.CreateIssuer(f.Context(), issuer, federation.Keys{})
	require.NoError(f, err)
}

func (f *issuerFixture) bind(name, robot, condition string, scopes ...string) {
	f.Helper()
	c, err := federation.ParseCondition(condition)
	require.NoError(f, err)
	b := federation.Binding{Name: name, Issuer: "idp", Robot: subject.Ref{Kind: subject.Robot, Name: robot}, Claims: []federation.Condition{c}}
	for _, text := range scopes {
		p, err := access.ParsePermission(text)
		require.NoError(f, err)
		b.Scopes = append(b.Scopes, p)
	}
	_, _, err = f.Store.CreateBinding(f.Context(), b)
	require.NoError(f, err)
}

// job is a token of a job.
func (f *issuerFixture) job(more ...map[string]any) string {
	f.Helper()
	return f.issuer.Sign(f, f.issuer.Claims(f.Store.Now(), registry, append([]map[string]any{{"sub": "job"}}, more...)...))
}

// forged is a token that nobody signed, another each time.
func (f *issuerFixture) forged() string {
	token := f.job(map[string]any{"jti": f.Guess()})
	return token[:strings.LastIndex(token, ".")+1] + strings.Repeat("A", 86)
}

// login logs in to the service.
func (f *issuerFixture) login(a *Authenticator, name, token, address string) (Principal, error) {
	return a.AuthenticateAt(from(f.Context(), address), registry, name, token)
}

func (f *issuerFixture) takes(name, token string) Principal {
	f.Helper()
	p, err := f.login(f.Authenticator, name, token, home)
	require.NoError(f, err)
	return p
}

// denies fails the test unless a token is refused, and returns what the client is
// told.
func (f *issuerFixture) denies(name, token, address string) *IssuerTokenError {
	f.Helper()
	_, err := f.login(f.Authenticator, name, token, address)
	var told *IssuerTokenError
	require.ErrorAs(f, err, &told)
	require.ErrorIs(f, err, ErrInvalidCredentials)
	require.NotContains(f, told.Error(), token)
	return told
}

func TestIssuerTokenStandsForItsRobot(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		f.bind("narrow", "ci", "sub=narrow", "repository:team/app:pull")
		for _, name := range []string{"ci", "CI", verifier.AnyRobot} {
			p := f.takes(name, f.job())
			assert.Equal(t, "robot:ci", p.Ref.String())
			assert.Equal(t, ByIssuerToken, p.Method)
			assert.False(t, p.Admin)
			assert.Empty(t, p.Scopes)
			assert.Nil(t, p.Narrow)
			assert.Equal(t, f.Store.Now().Add(6*time.Minute).Unix(), p.Credential.ExpiresAt.Unix())
		}
		p := f.takes("ci", f.job(map[string]any{"sub": "narrow"}))
		assert.Equal(t, "[repository:team/app:pull]", fmt.Sprint(p.Scopes), "the rights are cut to the scopes of the binding")
		assert.Equal(t, access.Pull, p.Narrow.Allowed(access.Repository, "team/app"), "the scopes are ready to answer requests")
		assert.Zero(t, f.Checks(), "nothing is hashed")
	})
}

func TestIssuerTokenOpensRegistriesOnly(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		for _, name := range []string{"ci", verifier.AnyRobot, "alice"} {
			f.refused(name, f.job(), home)
		}
		assert.Zero(t, f.Checks())
		assert.Zero(t, f.Failures())
	})
}

// TestIssuerTokenNeverCountsForAName: whoever sends bad tokens under the name of a
// user or robot slows down neither.
func TestIssuerTokenNeverCountsForAName(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		good := f.job()
		f.takes("ci", good)
		for range 100 {
			f.denies("alice", f.job(map[string]any{"jti": f.Guess()}), home)
			f.denies("ci", f.job(map[string]any{"sub": f.Guess()}), home)
			f.denies("alice", f.forged(), home)
		}
		assert.Zero(t, f.Checks(), "nothing is hashed")
		assert.Zero(t, f.Failures())
		assert.Zero(t, took(func() { f.accepted("alice", secret, home) }))
		f.takes("ci", good)
	})
}

// TestForgedTokensCountForTheirNetwork: so many lock it out for a time, but for
// tokens that were found good before. Tokens that an issuer did sign, and those with
// a key that may be new, are no forgeries.
func TestForgedTokensCountForTheirNetwork(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		const elsewhere = "198.51.100.7"
		most := f.Options().Passwords.LockoutFailures
		for range 3 * most {
			assert.False(t, f.denies("ci", f.job(map[string]any{"sub": "other", "jti": f.Guess()}), home).Throttled)
			other := issuertest.Offline(t, f.issuer.URL)
			assert.False(t, f.denies("ci", other.Sign(t, other.Claims(f.Store.Now(), registry)), home).Throttled)
		}
		known := f.job(map[string]any{"jti": "known"})
		f.takes("ci", known)
		for range most {
			assert.False(t, f.denies("ci", f.forged(), home).Throttled)
		}
		assert.True(t, f.denies("ci", f.forged(), home).Throttled)
		assert.True(t, f.denies("ci", f.job(), home).Throttled, "a token that would have to be looked at")
		f.takes("ci", known)
		_, err := f.login(f.Authenticator, "ci", f.job(), elsewhere)
		require.NoError(t, err, "other networks are as before")
		f.accepted("alice", secret, home)
		time.Sleep(f.Options().Passwords.LockoutDuration)
		f.takes("ci", f.job())
	})
}

func TestForgeriesLongAgoDoNotCount(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		o := f.Options().Passwords
		for range 3 * o.LockoutFailures {
			assert.False(t, f.denies("ci", f.forged(), home).Throttled)
			time.Sleep(o.LockoutWindow / time.Duration(o.LockoutFailures-1))
		}
	})
}

func TestTokenOfAnUnknownIssuerIsAPassword(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		other := issuertest.Offline(t, "https://other.example.com")
		token := other.Sign(t, other.Claims(f.Store.Now(), registry))
		f.refused("alice", token, home)
		assert.Equal(t, 1, f.Checks())
		f.User("carol", token)
		f.accepted("carol", token, home)
	})
}

func TestChangesCountForIssuerTokens(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		token, there := f.job(), f.node()
		elsewhere := func() error {
			_, err := f.login(there, "ci", token, home)
			return err
		}
		yes, no := true, false
		for _, c := range []struct {
			what string
			off  func() error
			on   func() error
		}{
			{"robot disabled", func() error { f.Change("ci", store.SubjectChange{Disabled: &yes}); return nil }, func() error { f.Change("ci", store.SubjectChange{Disabled: &no}); return nil }},
			{"binding disabled", func() error {
				_, _, err := f.Store.SetBindingDisabled(t.Context(), "job", true, 0)
				return err
			}, func() error {
				_, _, err := f.Store.SetBindingDisabled(t.Context(), "job", false, 0)
				return err
			}},
			{"issuer disabled", func() error {
				_, err := f.Store.SetIssuerDisabled(t.Context(), "idp", true, 0)
				return err
			}, func() error {
				_, err := f.Store.SetIssuerDisabled(t.Context(), "idp", false, 0)
				return err
			}},
		} {
			f.takes("ci", token)
			require.NoError(t, elsewhere(), c.what)
			require.NoError(t, c.off())
			f.denies("ci", token, home)
			time.Sleep(2 * time.Second)
			require.ErrorIs(t, elsewhere(), ErrInvalidCredentials, "%s: two seconds later at another node", c.what)
			require.NoError(t, c.on())
			time.Sleep(2 * time.Second)
		}
		f.takes("ci", token)
		_, err := f.Store.DeleteIssuer(t.Context(), "idp", 0)
		require.NoError(t, err)
		f.refused("ci", token, home) // as a wrong password
	})
}

func TestIssuerTokensWhileTheDatabaseIsAway(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		f.takes("ci", f.job())
		f.Raw("ALTER TABLE issuers RENAME TO gone", "ALTER TABLE subjects RENAME TO gone2", "ALTER TABLE revision RENAME TO gone3")
		time.Sleep(5 * time.Second)
		f.takes("ci", f.job(map[string]any{"jti": "fresh"}))
		_, err := f.login(f.Authenticator, "ci", f.job(map[string]any{"sub": "other"}), home)
		require.ErrorIs(t, err, cache.ErrUnavailable, "memory never proves that a token is wrong")
	})
}

func TestRefusedIssuerTokensAreKept(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		f.Start()
		attempt := new(Attempt)
		token := f.job(map[string]any{"sub": "other"})
		_, err := f.AuthenticateAt(WithAttempt(from(t.Context(), home), attempt), registry, "ci", token)
		require.ErrorIs(t, err, ErrInvalidCredentials)
		assert.Equal(t, `token of the issuer idp: sub is "other", wanted is job (binding job)`, attempt.Fault)
		assert.Equal(t, []string{"idp", "job"}, []string{attempt.Issuer, attempt.Binding})
		yes := true
		f.Change("ci", store.SubjectChange{Disabled: &yes})
		f.denies("ci", f.job(), home)
		time.Sleep(5 * time.Second)
		kept, err := f.Store.IssuerRefusals(t.Context(), "idp")
		require.NoError(t, err)
		require.Len(t, kept, 2)
		assert.Equal(t, "robot:ci is disabled", kept[0].Reason)
		assert.Equal(t, store.IssuerRefusal{
			At: kept[1].At, Username: "ci", Service: registry, Address: home, Client: "docker/29", Binding: "job", Reason: `sub is "other", wanted is job`,
		}, kept[1])
	})
}

// TestUnknownKeyIsFetched goes over a real connection, as the keys do.
func TestUnknownKeyIsFetched(t *testing.T) {
	f := &issuerFixture{newFixture(t, store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}), issuertest.New(t)}
	f.Robot("ci")
	f.trust(federation.Issuer{Name: "idp", URL: f.issuer.URL, Kind: federation.Generic})
	f.bind("job", "ci", "sub=job")
	f.takes("ci", f.job())
	assert.Equal(t, 1, f.issuer.Requests(issuertest.Keys))
	f.issuer.Rotate(t)
	told := f.denies("ci", f.job(), home)
	assert.Contains(t, told.Error(), "try again", "a second fetch within a minute is too many")
	assert.Equal(t, 1, f.issuer.Requests(issuertest.Keys))
	f.issuer.Away(true)
	assert.NotContains(t, f.denies("ci", f.job(), home).Error(), "status 503")
}

func TestIssuersThatAreAwayAreKnown(t *testing.T) {
	f := &issuerFixture{newFixture(t, store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}), issuertest.New(t)}
	f.trust(federation.Issuer{Name: "idp", URL: f.issuer.URL, Kind: federation.Generic})
	f.issuer.Away(true)
	assert.Empty(t, f.AwayIssuers())
	f.Authenticator.issuers.refresher.Round(t.Context())
	f.Authenticator.issuers.refresher.Round(t.Context())
	require.Contains(t, f.AwayIssuers(), "idp")
	require.Len(t, f.Stats().Issuers, 1)
	assert.Zero(t, f.Stats().Issuers[0].KeysFetched)
	assert.WithinDuration(t, time.Now(), f.AwayIssuers()["idp"], time.Minute)
}

func TestIssuerKeysHaveAnAge(t *testing.T) {
	f := &issuerFixture{newFixture(t, store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}), issuertest.New(t)}
	f.trust(federation.Issuer{Name: "idp", URL: f.issuer.URL, Kind: federation.Generic})
	for range 2 {
		f.Authenticator.issuers.refresher.Round(t.Context())
	}
	require.Len(t, f.Stats().Issuers, 1)
	assert.WithinDuration(t, time.Now(), f.Stats().Issuers[0].KeysFetched, time.Minute)
}

// TestIssuerRefusalsAreCounted guards that each refusal counts, also one that is
// remembered, and that nothing is kept of an issuer that is gone.
func TestIssuerRefusalsAreCounted(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		other := f.job(map[string]any{"sub": "other"})
		for range 2 {
			f.denies("ci", other, home)
		}
		f.denies("ci", f.forged(), home)
		assert.Equal(t, map[IssuerRefusal]uint64{{"idp", verifier.Conditions}: 2, {"idp", verifier.WrongSignature}: 1}, f.Stats().Refusals)
		_, err := f.Store.DeleteIssuer(t.Context(), "idp", 0)
		require.NoError(t, err)
		f.Authenticator.issuers.refresher.Round(t.Context())
		assert.Empty(t, f.Stats().Refusals)
	})
}

// TestOtherKeysAreAChange guards that keys of the same length, and those from elsewhere, are not taken for the ones
// before.
func TestOtherKeysAreAChange(t *testing.T) {
	of := func(jwks, source string) store.Federation {
		return store.Federation{
			Issuers: []store.Issuer{{ID: 1, Version: 1}},
			Keys:    map[int64]store.IssuerKeys{1: {Keys: federation.Keys{JWKS: []byte(jwks), Source: source}}},
		}
	}
	first := digestOf(of("one", "here"))
	assert.Equal(t, first, digestOf(of("one", "here")))
	assert.NotEqual(t, first, digestOf(of("two", "here")))
	assert.NotEqual(t, first, digestOf(of("one", "near")))
}

func TestReadingTheSameAgainIsNoChange(t *testing.T) {
	withIssuer(t, func(t *testing.T, f *issuerFixture) {
		first, err := f.Store.Federation(t.Context())
		require.NoError(t, err)
		again, err := f.Store.Federation(t.Context())
		require.NoError(t, err)
		i := f.Authenticator.issuers
		assert.Same(t, i.ready(first), i.ready(again))
		f.bind("another", "ci", "sub=x")
		changed, err := f.Store.Federation(t.Context())
		require.NoError(t, err)
		before := i.ready(again)
		assert.NotSame(t, before, i.ready(changed))
	})
}
