package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// oneKey is a JWK set with a key of that id.
func oneKey(id string) string {
	return fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":%q,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, id)
}

// keysOf are keys that were fetched for an issuer.
func keysOf(s *Store, issuer Issuer, jwks string) federation.Keys {
	return federation.Keys{JWKS: []byte(jwks), Source: issuer.KeySource(), FetchedAt: s.now()}
}

// gitlab is an issuer of the tests.
func gitlab(name string) federation.Issuer {
	return federation.Issuer{
		Name: name, URL: "https://gitlab.example.com/" + name, Kind: federation.GitLab,
		Audiences: []string{"https://registry.example.com"}, JWKS: oneKey("given"), MaxAge: time.Hour,
	}
}

func createIssuer(t *testing.T, s *Store, n federation.Issuer) Issuer {
	t.Helper()
	created, err := s.CreateIssuer(t.Context(), n, federation.Keys{})
	require.NoError(t, err)
	return created
}

// protected is a binding that nothing is refused for, for a robot.
func protected(name, issuer, robot string) federation.Binding {
	return federation.Binding{
		Name: name, Issuer: issuer, Robot: subject.Ref{Kind: subject.Robot, Name: robot},
		Claims: []federation.Condition{{Name: "project_id", Value: "74"}, {Name: "job_project_id", Value: "74"}, {Name: "ref_protected", Value: "true"}},
	}
}

func createBinding(t *testing.T, s *Store, n federation.Binding) Binding {
	t.Helper()
	created, _, err := s.CreateBinding(t.Context(), n)
	require.NoError(t, err)
	return created
}

// fillFederation puts something into every table of issuers and bindings.
func fillFederation(t *testing.T, s *Store) {
	t.Helper()
	issuer := createIssuer(t, s, gitlab("gitlab"))
	require.NoError(t, s.PutIssuerKeys(t.Context(), issuer.ID, keysOf(s, issuer, oneKey("a"))))
	require.NoError(t, s.PutIssuerAway(t.Context(), issuer.ID, "no route to host"))
	binding := protected("app-main", "gitlab", "ci")
	binding.Scopes, binding.Session = parsePermissions(t, "repository:team/app:push", "namespace:other:pull"), time.Hour
	createBinding(t, s, binding)
	createSession(t, s, "session", RefreshSession, "app-main")
	require.NoError(t, s.RecordIssuerRefusals(t.Context(), map[int64][]IssuerRefusal{issuer.ID: {{At: s.now(), Username: "ci", Reason: "ref is é 😀"}}}))
}

func TestIssuers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		whole := gitlab("gitlab")
		created := createIssuer(t, s, whole)
		assert.Equal(t, whole, created.Issuer)
		found, err := s.Issuer(t.Context(), "gitlab")
		require.NoError(t, err)
		assert.Equal(t, created, found)
		discovered := federation.Issuer{
			Name: "github", URL: "https://token.actions.githubusercontent.com", Kind: federation.GitHub, JWKSHost: "keys.example.com",
			BearerFile: "/var/run/secrets/token", Disabled: true,
		}
		created = createIssuer(t, s, discovered)
		discovered.Audiences = []string{}
		assert.Equal(t, discovered, created.Issuer)

		_, err = s.CreateIssuer(t.Context(), whole, federation.Keys{})
		require.ErrorIs(t, err, ErrExists)
		_, err = s.CreateIssuer(t.Context(), federation.Issuer{Name: "Bad Name", URL: "https://x.example.com", Kind: federation.Generic}, federation.Keys{})
		require.ErrorIs(t, err, subject.ErrInvalidName)
		_, err = s.Issuer(t.Context(), "nobody")
		require.ErrorIs(t, err, ErrNotFound)

		for page, want := range map[Page][]string{
			{Limit: 10}:                    {"github", "gitlab"},
			{Limit: 1}:                     {"github"},
			{Limit: 10, After: "github"}:   {"gitlab"},
			{Limit: 10, Prefix: "gitl"}:    {"gitlab"},
			{Limit: 10, Prefix: "nothing"}: nil,
		} {
			all, err := s.Issuers(t.Context(), page)
			require.NoError(t, err)
			var names []string
			for _, one := range all {
				names = append(names, one.Name)
			}
			assert.Equal(t, want, names, "%+v", page)
		}

		disabled, err := s.SetIssuerDisabled(t.Context(), "gitlab", true, Precondition(found.Version))
		require.NoError(t, err)
		assert.True(t, disabled.Disabled)
		_, err = s.SetIssuerDisabled(t.Context(), "gitlab", false, Precondition(found.Version))
		require.ErrorIs(t, err, ErrStale)
		_, err = s.SetIssuerDisabled(t.Context(), "nobody", true, 0)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.DeleteIssuer(t.Context(), "gitlab", Precondition(found.Version))
		require.ErrorIs(t, err, ErrStale)
		_, err = s.DeleteIssuer(t.Context(), "nobody", 0)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestIssuersAreBounded(t *testing.T) {
	s := onSQLite.open(t)
	_, err := s.writer.ExecContext(t.Context(), `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO issuers (name, url, kind, audiences, jwks, ca, version, created_at, updated_at)
		SELECT 'i' || i, 'https://x.example.com', 'generic', '[]', '', '', 1, 0, 0 FROM n`, MaxIssuers)
	require.NoError(t, err)
	_, err = s.CreateIssuer(t.Context(), gitlab("gitlab"), federation.Keys{})
	require.ErrorIs(t, err, ErrTooMany)
	create(t, s, "robot:ci")
	_, err = s.writer.ExecContext(t.Context(), `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO bindings (name, issuer_id, subject_id, conditions, scopes, session, version, created_at, updated_at)
		SELECT 'b' || i, (SELECT MIN(id) FROM issuers), (SELECT id FROM subjects WHERE name = 'ci'), '[]', '', 0, 1, 0, 0 FROM n`, MaxBindings)
	require.NoError(t, err)
	_, _, err = s.CreateBinding(t.Context(), protected("one-more", "i1", "ci"))
	require.ErrorIs(t, err, ErrTooMany)
}

// TestRemovalTakesBindingsAlong checks that what a binding names takes it along,
// says so, and that everybody hears of it.
func TestRemovalTakesBindingsAlong(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		var heard []Change
		s.Watch(func(c Change) { heard = append(heard, c) })
		create(t, s, "robot:ci", "robot:cd")
		createIssuer(t, s, gitlab("gitlab"))
		for name, robot := range map[string]string{"a": "ci", "b": "ci", "c": "cd"} {
			createBinding(t, s, protected(name, "gitlab", robot))
		}
		heard = nil
		gone, err := s.RemoveSubject(t.Context(), ref(t, "robot:ci"), 0)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, gone)
		require.Len(t, heard, 1)
		assert.Equal(t, Everybody, heard[0].SubjectID, "the robot and the bindings")
		gone, err = s.DeleteIssuer(t.Context(), "gitlab", 0)
		require.NoError(t, err)
		assert.Equal(t, []string{"c"}, gone)
		_, err = s.Binding(t.Context(), "c")
		require.ErrorIs(t, err, ErrNotFound)
		found, err := s.Federation(t.Context())
		require.NoError(t, err)
		assert.Empty(t, found.Bindings)
		entries := auditOf(t, s)
		assert.Contains(t, string(entries[len(entries)-2].Before), `"bindings":["a","b"]`)
		assert.Equal(t, audit.Name("issuer:gitlab"), entries[len(entries)-1].Subject)
		assert.Contains(t, string(entries[len(entries)-1].Before), `"bindings":["c"]`)
	})
}

// TestFederationChangesAreTold checks that whatever concerns issuers, keys and
// bindings is a change of theirs alone, and what changes nothing is none.
func TestFederationChangesAreTold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci")
		var heard []Change
		s.Watch(func(c Change) { heard = append(heard, c) })
		var issuer Issuer
		for _, step := range []struct {
			name string
			told bool
			do   func(ctx context.Context) error
		}{
			{"create an issuer", true, func(ctx context.Context) (err error) {
				issuer, err = s.CreateIssuer(ctx, gitlab("gitlab"), federation.Keys{})
				return err
			}},
			{"ask it", false, func(ctx context.Context) error { _, err := s.ClaimIssuerFetch(ctx, issuer.ID, s.now()); return err }},
			{"its keys", true, func(ctx context.Context) error {
				return s.PutIssuerKeys(ctx, issuer.ID, keysOf(s, issuer, oneKey("a")))
			}},
			{"the same keys", false, func(ctx context.Context) error {
				return s.PutIssuerKeys(ctx, issuer.ID, keysOf(s, issuer, oneKey("a")))
			}},
			{"it is away", false, func(ctx context.Context) error { return s.PutIssuerAway(ctx, issuer.ID, "away") }},
			{"another key of the same id", true, func(ctx context.Context) error {
				return s.PutIssuerKeys(ctx, issuer.ID, keysOf(s, issuer, oneKey("a")+" "))
			}},
			{"create a binding", true, func(ctx context.Context) error {
				_, _, err := s.CreateBinding(ctx, protected("app", "gitlab", "ci"))
				return err
			}},
			{"a refusal", false, func(ctx context.Context) error {
				return s.RecordIssuerRefusals(ctx, map[int64][]IssuerRefusal{issuer.ID: {{At: s.now()}}})
			}},
			{"disable it", true, func(ctx context.Context) error { _, _, err := s.SetBindingDisabled(ctx, "app", true, 0); return err }},
			{"disable it again", false, func(ctx context.Context) error { _, _, err := s.SetBindingDisabled(ctx, "app", true, 0); return err }},
			{"enable it", true, func(ctx context.Context) error { _, _, err := s.SetBindingDisabled(ctx, "app", false, 0); return err }},
			{"disable the issuer", true, func(ctx context.Context) error { _, err := s.SetIssuerDisabled(ctx, "gitlab", true, 0); return err }},
			{"remove the binding", true, func(ctx context.Context) error { return s.DeleteBinding(ctx, "app", 0) }},
			{"remove the issuer", true, func(ctx context.Context) error { _, err := s.DeleteIssuer(ctx, "gitlab", 0); return err }},
		} {
			marks := marksOf(t, s)
			heard = nil
			require.NoError(t, step.do(t.Context()), step.name)
			var want []Change
			if step.told {
				want = []Change{{marks.Revision + 1, FederationID}}
			}
			told, err := s.Changes(t.Context(), marks, marksOf(t, s))
			require.NoError(t, err)
			assert.Equal(t, want, told, step.name)
			assert.Equal(t, want, heard, step.name)
		}
	})
}

// TestTrustNeedsAPassword checks that a token, which may end at any time, leaves
// nobody behind who can log in; what it takes away it may.
func TestTrustNeedsAPassword(t *testing.T) {
	s := onSQLite.open(t)
	create(t, s, "robot:ci")
	person(t, s, "root", "$r")
	accessToken(t, s, "user:root", "tok", "h", time.Time{})
	createIssuer(t, s, gitlab("gitlab"))
	createBinding(t, s, protected("app", "gitlab", "ci"))
	byToken := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Credential: Credential{ID: "tok"}})
	for name, refused := range map[string]func() error{
		"issuer":  func() error { _, err := s.CreateIssuer(byToken, gitlab("other"), federation.Keys{}); return err },
		"binding": func() error { _, _, err := s.CreateBinding(byToken, protected("other", "gitlab", "ci")); return err },
	} {
		require.ErrorIs(t, refused(), ErrNeedsPassword, name)
	}
	_, _, err := s.SetBindingDisabled(byToken, "app", true, 0)
	require.NoError(t, err)
	_, _, err = s.SetBindingDisabled(byToken, "app", false, 0)
	require.ErrorIs(t, err, ErrNeedsPassword)
	_, err = s.SetIssuerDisabled(byToken, "gitlab", true, 0)
	require.NoError(t, err)
	_, err = s.SetIssuerDisabled(byToken, "gitlab", false, 0)
	require.ErrorIs(t, err, ErrNeedsPassword)
	require.NoError(t, s.DeleteBinding(byToken, "app", 0))
	_, err = s.DeleteIssuer(byToken, "gitlab", 0)
	require.NoError(t, err)
}

func TestIssuerKeys(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		issuer := createIssuer(t, s, gitlab("gitlab"))
		none, err := s.IssuerKeys(t.Context(), issuer.ID)
		require.NoError(t, err)
		assert.Zero(t, none)

		// Of all who would ask, one does.
		began := s.now()
		mine, err := s.ClaimIssuerFetch(t.Context(), issuer.ID, began.Add(-time.Minute))
		require.NoError(t, err)
		assert.True(t, mine)
		mine, err = s.ClaimIssuerFetch(t.Context(), issuer.ID, began.Add(-time.Minute))
		require.NoError(t, err)
		assert.False(t, mine)
		mine, err = s.ClaimIssuerFetch(t.Context(), 4711, began)
		require.NoError(t, err)
		assert.False(t, mine, "an issuer that is gone")

		require.NoError(t, s.PutIssuerKeys(t.Context(), issuer.ID, keysOf(s, issuer, oneKey("a"))))
		require.NoError(t, s.PutIssuerAway(t.Context(), issuer.ID, "first"))
		away, err := s.IssuerKeys(t.Context(), issuer.ID)
		require.NoError(t, err)
		assert.Equal(t, oneKey("a"), string(away.JWKS), "what is away keeps its keys")
		assert.Equal(t, "first", away.Away)
		assert.False(t, away.AwaySince.IsZero())
		require.NoError(t, s.PutIssuerAway(t.Context(), issuer.ID, "second"))
		still, err := s.IssuerKeys(t.Context(), issuer.ID)
		require.NoError(t, err)
		assert.Equal(t, away.AwaySince, still.AwaySince, "since the first failure")
		assert.Equal(t, "second", still.Away)
		require.NoError(t, s.PutIssuerKeys(t.Context(), issuer.ID, keysOf(s, issuer, oneKey("b"))))
		back, err := s.IssuerKeys(t.Context(), issuer.ID)
		require.NoError(t, err)
		assert.True(t, back.AwaySince.IsZero())
		assert.Empty(t, back.Away)

		entries := auditOf(t, s)
		last := entries[len(entries)-1]
		assert.Equal(t, audit.RefreshIssuer, last.Action)
		assert.JSONEq(t, `{"keys":["a"]}`, string(last.Before))
		assert.JSONEq(t, `{"keys":["b"]}`, string(last.After))

		// An answer that was asked of another issuer is none of this one.
		other := issuer
		other.URL += "/other"
		require.ErrorIs(t, s.PutIssuerKeys(t.Context(), issuer.ID, keysOf(s, other, oneKey("c"))), ErrNotFound)
		_, err = s.DeleteIssuer(t.Context(), "gitlab", 0)
		require.NoError(t, err)
		createIssuer(t, s, gitlab("gitlab"))
		require.ErrorIs(t, s.PutIssuerKeys(t.Context(), issuer.ID, keysOf(s, issuer, oneKey("c"))), ErrNotFound)
	})
}

func TestIssuerRefusalsAreTheLatest(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		issuer, other := createIssuer(t, s, gitlab("gitlab")), createIssuer(t, s, gitlab("other"))
		for i := range 3 {
			var some []IssuerRefusal
			for j := range 30 {
				some = append(some, IssuerRefusal{
					At: s.now(), Username: "ci", Service: "registry", Address: "192.0.2.7", Client: "docker", Binding: "app", Reason: fmt.Sprintf("reason %d", 30*i+j),
				})
			}
			require.NoError(t, s.RecordIssuerRefusals(t.Context(), map[int64][]IssuerRefusal{issuer.ID: some, 4711: some}))
		}
		require.NoError(t, s.RecordIssuerRefusals(t.Context(), map[int64][]IssuerRefusal{other.ID: {{At: s.now(), Reason: "only"}}}))
		all, err := s.IssuerRefusals(t.Context(), "gitlab")
		require.NoError(t, err)
		require.Len(t, all, MaxIssuerRefusals)
		assert.Equal(t, "reason 89", all[0].Reason)
		assert.Equal(t, "reason 40", all[MaxIssuerRefusals-1].Reason)
		assert.Equal(t, "docker", all[0].Client)
		all, err = s.IssuerRefusals(t.Context(), "other")
		require.NoError(t, err)
		assert.Len(t, all, 1)
		_, err = s.IssuerRefusals(t.Context(), "nobody")
		require.ErrorIs(t, err, ErrNotFound)
	})
}
