package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// jobClaims are what is kept of a token that meets a binding of the tests.
func jobClaims() []federation.KeptClaim {
	return []federation.KeptClaim{{Name: "project_id", Values: []string{"74"}}, {Name: "job_project_id", Values: []string{"74"}}, {Name: "ref_protected", Values: []string{"true"}}}
}

// newSession is one of a binding that stands for a robot.
func newSession(t *testing.T, s *Store, id string, kind SessionKind, binding string) NewSession {
	t.Helper()
	b, err := s.Binding(t.Context(), binding)
	require.NoError(t, err)
	return NewSession{
		ID: id, Kind: kind, Binding: binding, IssuerID: b.IssuerID, RobotID: b.RobotID, Service: "registry", Hash: []byte("hash of " + id), Claims: jobClaims(),
		Job: []string{"project_path=group/app", "job_id=é 😀"}, Client: "docker/29", Address: "192.0.2.7",
	}
}

func createSession(t *testing.T, s *Store, id string, kind SessionKind, binding string) time.Time {
	t.Helper()
	ends, err := s.CreateSession(t.Context(), newSession(t, s, id, kind, binding))
	require.NoError(t, err)
	return ends
}

// sessionIDs are those of the sessions of a robot, as they are listed.
func sessionIDs(t *testing.T, s *Store, robot string) []string {
	t.Helper()
	all, err := s.Sessions(t.Context(), ref(t, robot), Page{Limit: 1000})
	require.NoError(t, err)
	ids := make([]string, len(all))
	for n, one := range all {
		ids[n] = one.ID
	}
	return ids
}

// withBinding is a store in which the binding app stands for robot:ci.
func withBinding(t *testing.T, db database) *Store {
	t.Helper()
	s := db.open(t)
	create(t, s, "robot:ci", "robot:cd")
	createIssuer(t, s, gitlab("gitlab"))
	createBinding(t, s, protected("app", "gitlab", "ci"))
	return s
}

func TestSessions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		advance := at(s)
		began := advance(time.Minute)
		n := newSession(t, s, "one", AccessSession, "app")
		n.Scopes = parsePermissions(t, "repository:team/app:pull", "namespace:other:pull")
		ends, err := s.CreateSession(t.Context(), n)
		require.NoError(t, err)
		assert.Equal(t, began.Add(federation.DefaultSession), ends, "a binding says 6 hours by default")

		found, err := s.Session(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, Session{
			ID: "one", Kind: AccessSession, Robot: ref(t, "robot:ci"), Issuer: "gitlab", Binding: "app", Service: "registry", Scopes: n.Scopes,
			Claims: n.Claims, Job: n.Job, Client: "docker/29", Address: "192.0.2.7", CreatedAt: began, ExpiresAt: ends,
			LastUse: Use{At: began, Address: "192.0.2.7", Client: "docker/29"},
		}, found)
		login, err := s.AccessTokenLogin(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, "robot:ci", login.Ref.String())
		assert.Equal(t, n.Hash, login.Hash)
		assert.Equal(t, []any{n.Scopes, ends, "registry", n.Job, began}, []any{login.Scopes, login.ExpiresAt, login.Session.Service, login.Session.Job, login.Session.CreatedAt})
		assert.True(t, federation.Compile(protected("", "", "").Claims).Holds(login.Session.Claims))
		_, err = s.RefreshTokenLogin(t.Context(), "one")
		require.ErrorIs(t, err, ErrNotFound, "an access token is no refresh token")

		advance(time.Minute)
		createSession(t, s, "two", RefreshSession, "app")
		refresh, err := s.RefreshTokenLogin(t.Context(), "two")
		require.NoError(t, err)
		assert.Equal(t, []any{"registry", []byte("hash of two"), false}, []any{refresh.Service, refresh.Hash, refresh.Session == nil})
		_, err = s.AccessTokenLogin(t.Context(), "two")
		require.ErrorIs(t, err, ErrNotFound)

		assert.Equal(t, []string{"two", "one"}, sessionIDs(t, s, "robot:ci"), "the latest first")
		page, err := s.Sessions(t.Context(), ref(t, "robot:ci"), Page{Limit: 1})
		require.NoError(t, err)
		page, err = s.Sessions(t.Context(), ref(t, "robot:ci"), Page{Limit: 1, After: page[0].Cursor()})
		require.NoError(t, err)
		assert.Equal(t, "one", page[0].ID)
		_, err = s.Sessions(t.Context(), ref(t, "robot:ci"), Page{Limit: 1, After: "x"})
		require.ErrorIs(t, err, ErrCursor)
		assert.Empty(t, sessionIDs(t, s, "robot:cd"))
		_, err = s.Sessions(t.Context(), ref(t, "robot:nobody"), Page{Limit: 1})
		require.ErrorIs(t, err, ErrNotFound)
		require.NotContains(t, export(t, s), "session")
		tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), Page{Limit: 10})
		require.NoError(t, err)
		assert.Empty(t, tokens, "a session is none of the access tokens of a robot")

		use := Use{At: advance(time.Minute), Address: "192.0.2.9", Client: "crane"}
		require.NoError(t, s.RecordUses(t.Context(), Uses{Sessions: map[string]Use{"one": use, "gone": use}}))
		found, err = s.Session(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, use, found.LastUse)

		advance(6*time.Hour - 2*time.Minute)
		assert.Equal(t, []string{"two"}, sessionIDs(t, s, "robot:ci"), "what is over is not listed")
		advance(time.Hour)
		createSession(t, s, "three", RefreshSession, "app")
		_, err = s.Session(t.Context(), "two")
		require.ErrorIs(t, err, ErrNotFound, "what is over is removed")
	})
}

// TestSessionsEndWithWhatTheyBeganWith checks what ends them for good, and what does
// not, and that other nodes hear of it.
func TestSessionsEndWithWhatTheyBeganWith(t *testing.T) {
	yes, no := true, false
	disableRobot := func(s *Store, disabled *bool) error {
		_, err := s.UpdateSubject(t.Context(), subject.Ref{Kind: subject.Robot, Name: "ci"}, SubjectChange{Disabled: disabled}, 0)
		return err
	}
	apply := func(t *testing.T, s *Store, replace ...string) error {
		t.Helper()
		text := strings.NewReplacer(replace...).Replace(export(t, s))
		_, err := s.ApplyState(t.Context(), document(t, text), state.Options{Prune: true})
		return err
	}
	cases := map[string]struct {
		change func(t *testing.T, s *Store) error
		stays  bool
	}{
		"binding disabled": {change: func(t *testing.T, s *Store) error {
			_, _, err := s.SetBindingDisabled(t.Context(), "app", true, 0)
			require.NoError(t, err)
			_, _, err = s.SetBindingDisabled(t.Context(), "app", false, 0)
			return err
		}},
		"binding removed": {change: func(t *testing.T, s *Store) error { return s.DeleteBinding(t.Context(), "app", 0) }},
		"binding removed and made again": {change: func(t *testing.T, s *Store) error {
			require.NoError(t, s.DeleteBinding(t.Context(), "app", 0))
			createBinding(t, s, protected("app", "gitlab", "ci"))
			return nil
		}},
		"issuer disabled": {change: func(t *testing.T, s *Store) error {
			_, err := s.SetIssuerDisabled(t.Context(), "gitlab", true, 0)
			require.NoError(t, err)
			_, err = s.SetIssuerDisabled(t.Context(), "gitlab", false, 0)
			return err
		}},
		"issuer removed": {change: func(t *testing.T, s *Store) error { _, err := s.DeleteIssuer(t.Context(), "gitlab", 0); return err }},
		"robot disabled": {change: func(t *testing.T, s *Store) error {
			require.NoError(t, disableRobot(s, &yes))
			return disableRobot(s, &no)
		}},
		"robot removed":          {change: func(t *testing.T, s *Store) error { return s.DeleteSubject(t.Context(), ref(t, "robot:ci"), 0) }},
		"applied: another robot": {change: func(t *testing.T, s *Store) error { return apply(t, s, `robot: "robot:ci"`, `robot: "robot:cd"`) }},
		"applied: another iss": {change: func(t *testing.T, s *Store) error {
			return apply(t, s, "https://gitlab.example.com", "https://gitlab2.example.com")
		}},
		"applied: other conditions": {change: func(t *testing.T, s *Store) error { return apply(t, s, `"project_id=74"`, `"project_id=75"`) }},
		"applied: one condition more": {change: func(t *testing.T, s *Store) error {
			return apply(t, s, `- "ref_protected=true"`, "- \"ref_protected=true\"\n      - \"environment=prod\"")
		}},
		"applied: binding disabled": {change: func(t *testing.T, s *Store) error {
			return apply(t, s, `robot: "robot:ci"`, "robot: \"robot:ci\"\n    disabled: true")
		}},
		"applied: issuer disabled": {change: func(t *testing.T, s *Store) error {
			return apply(t, s, `kind: "gitlab"`, "kind: \"gitlab\"\n    disabled: true")
		}},
		"applied: robot disabled": {change: func(t *testing.T, s *Store) error { return apply(t, s, "- name: ci", "- name: ci\n    disabled: true") }},
		"applied: binding removed": {change: func(t *testing.T, s *Store) error {
			text := export(t, s)
			_, err := s.ApplyState(t.Context(), document(t, text[:strings.Index(text, "bindings:")]), state.Options{Prune: true})
			return err
		}},
		"applied: everything removed": {change: func(t *testing.T, s *Store) error {
			_, err := s.ApplyState(t.Context(), document(t, "version: dockit/v1\n"), state.Options{Prune: true})
			return err
		}},
		"applied: conditions that still hold": {stays: true, change: func(t *testing.T, s *Store) error { return apply(t, s, `"project_id=74"`, `"project_id=7*"`) }},
		"applied: scopes": {stays: true, change: func(t *testing.T, s *Store) error {
			return apply(t, s, `issuer: "gitlab"`, "issuer: \"gitlab\"\n    scopes: [\"namespace:team:pull\"]")
		}},
		"rights of the robot": {stays: true, change: func(t *testing.T, s *Store) error { grant(t, s, "robot:ci", "namespace:team:pull"); return nil }},
		"another robot disabled": {stays: true, change: func(t *testing.T, s *Store) error {
			_, err := s.UpdateSubject(t.Context(), ref(t, "robot:cd"), SubjectChange{Disabled: &yes}, 0)
			return err
		}},
	}
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		began := document(t, export(t, s))
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				_, err := s.ApplyState(t.Context(), began, state.Options{Prune: true})
				require.NoError(t, err)
				_, err = s.RevokeSessions(t.Context(), ref(t, "robot:ci"))
				require.NoError(t, err)
				createSession(t, s, "one", AccessSession, "app")
				createSession(t, s, "two", RefreshSession, "app")
				robot, err := s.Subject(t.Context(), ref(t, "robot:ci"))
				require.NoError(t, err)
				before, err := s.Marks(t.Context())
				require.NoError(t, err)
				require.NoError(t, tc.change(t, s))
				for _, id := range []string{"one", "two"} {
					_, err := s.Session(t.Context(), id)
					if tc.stays {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, ErrNotFound)
					}
				}
				after, err := s.Marks(t.Context())
				require.NoError(t, err)
				changes, err := s.Changes(t.Context(), before, after)
				require.NoError(t, err)
				told := false
				for _, c := range changes {
					told = told || c.SubjectID == Everybody || c.SubjectID == robot.ID
				}
				assert.True(t, told || tc.stays, "what is in memory of the robot is read anew: %v", changes)
			})
		}
		_ = auditOf(t, s) // which verifies it
	})
}

// TestNoSessionForWhatChanged: a session begins by what counts then, and not by what
// a node had in memory.
func TestNoSessionForWhatChanged(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		good := newSession(t, s, "one", AccessSession, "app")
		other, otherRobot, otherIssuer, nobody := good, good, good, good
		otherIssuer.IssuerID++
		other.Claims = []federation.KeptClaim{{Name: "project_id", Values: []string{"75"}}}
		otherRobot.RobotID++
		nobody.Binding = "nobody"
		for name, n := range map[string]NewSession{"claims": other, "robot": otherRobot, "issuer": otherIssuer, "binding": nobody} {
			_, err := s.CreateSession(t.Context(), n)
			require.ErrorIs(t, err, ErrStale, name)
		}
		yes, no := true, false
		for name, set := range map[string]func(bool) error{
			"robot": func(off bool) error {
				disabled := &no
				if off {
					disabled = &yes
				}
				_, err := s.UpdateSubject(t.Context(), ref(t, "robot:ci"), SubjectChange{Disabled: disabled}, 0)
				return err
			},
			"binding": func(off bool) error { _, _, err := s.SetBindingDisabled(t.Context(), "app", off, 0); return err },
			"issuer":  func(off bool) error { _, err := s.SetIssuerDisabled(t.Context(), "gitlab", off, 0); return err },
		} {
			require.NoError(t, set(true))
			_, err := s.CreateSession(t.Context(), good)
			require.ErrorIs(t, err, ErrStale, name)
			require.NoError(t, set(false))
		}
		before := revision(t, s)
		createSession(t, s, "one", AccessSession, "app")
		assert.Equal(t, before, revision(t, s), "a new session changes nothing for others")
	})
}

func TestShorterSessionsOfABindingCountAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		advance := at(s)
		began := advance(time.Minute)
		createSession(t, s, "one", AccessSession, "app")
		set := func(length string) {
			t.Helper()
			text := strings.Replace(export(t, s), "    robot: \"robot:ci\"\n", "    robot: \"robot:ci\"\n    session: "+length+"\n", 1)
			applyState(t, s, text, state.Options{Prune: true})
		}
		set("1h")
		found, err := s.Session(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, began.Add(time.Hour), found.ExpiresAt)
		advance(time.Hour)
		assert.Empty(t, sessionIDs(t, s, "robot:ci"))
	})
}

func TestSessionsAreBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		advance := at(s)
		createBinding(t, s, protected("other", "gitlab", "ci"))
		createSession(t, s, "beside", AccessSession, "other")
		createSession(t, s, "first", AccessSession, "app")
		const copies = "INSERT INTO sessions (id, kind, subject_id, binding_id, service, hash, scopes, claims, job, created_at, expires_at, last_used_at) " +
			"SELECT %s, kind, subject_id, binding_id, service, hash, scopes, claims, job, created_at, expires_at, last_used_at + 1000 FROM sessions WHERE id = 'first'"
		for n := 1; n < MaxSessions; n++ {
			if n%500 != 0 && n != 1 {
				continue
			}
			var all []string
			for m := n; m < min(n/500*500+500, MaxSessions); m++ {
				all = append(all, fmt.Sprintf(strings.TrimPrefix(copies, copies[:strings.Index(copies, "SELECT")]), fmt.Sprintf("'s%d'", m)))
			}
			_, err := s.writer.ExecContext(t.Context(), copies[:strings.Index(copies, "SELECT")]+strings.Join(all, " UNION ALL "))
			require.NoError(t, err)
		}
		count := func() (n int) {
			require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sessions WHERE binding_id = (SELECT id FROM bindings WHERE name = 'app')").Scan(&n))
			return n
		}
		require.Equal(t, MaxSessions, count())
		advance(time.Minute)
		before := revision(t, s)
		createSession(t, s, "one-more", AccessSession, "app")
		assert.Equal(t, MaxSessions, count())
		_, err := s.Session(t.Context(), "first")
		require.ErrorIs(t, err, ErrNotFound, "the one that was not used for the longest time")
		for _, id := range []string{"one-more", "beside"} {
			_, err := s.Session(t.Context(), id)
			require.NoError(t, err)
		}
		assert.Greater(t, revision(t, s), before, "other nodes hear that one ended")

		// A job that begins one after the other ends its own, which it used last.
		flood := newSession(t, s, "", AccessSession, "app")
		flood.Job = []string{"job_id=flood"}
		for n := range 5 {
			advance(time.Minute)
			flood.ID = fmt.Sprint("flood", n)
			_, err := s.CreateSession(t.Context(), flood)
			require.NoError(t, err)
		}
		assert.Equal(t, MaxSessions, count())
		for id, there := range map[string]bool{"flood0": false, "flood3": false, "flood4": true, "one-more": true} {
			_, err := s.Session(t.Context(), id)
			assert.Equal(t, there, err == nil, id)
		}
	})
}

func TestSessionsAreRevoked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := withBinding(t, db)
		for _, id := range []string{"one", "two", "three", "four"} {
			createSession(t, s, id, AccessSession, "app")
		}
		began := len(auditOf(t, s))
		before := revision(t, s)
		ended, err := s.RevokeSession(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, "app", ended.Binding)
		assert.Greater(t, revision(t, s), before)
		before = revision(t, s)
		require.NoError(t, s.EndSession(t.Context(), "two"))
		assert.Greater(t, revision(t, s), before)
		for _, id := range []string{"one", "two", "nobody"} {
			_, err = s.RevokeSession(t.Context(), id)
			require.ErrorIs(t, err, ErrNotFound)
			require.ErrorIs(t, s.EndSession(t.Context(), id), ErrNotFound)
		}
		count, err := s.RevokeSessions(t.Context(), ref(t, "robot:ci"))
		require.NoError(t, err)
		assert.EqualValues(t, 2, count)
		assert.Empty(t, sessionIDs(t, s, "robot:ci"))
		count, err = s.RevokeSessions(t.Context(), ref(t, "robot:ci"))
		require.NoError(t, err)
		assert.Zero(t, count)
		entries := auditOf(t, s)[began:]
		require.Len(t, entries, 2, "what a job ends is not in the audit")
		for _, e := range entries {
			assert.Equal(t, audit.RevokeToken, e.Action)
			assert.Equal(t, "robot:ci", string(e.Subject))
		}
		assert.Contains(t, string(entries[0].Before), `"job":["project_path=group/app"`)
		assert.JSONEq(t, `{"sessions":2}`, string(entries[1].Before))

		createSession(t, s, "five", RefreshSession, "app")
		require.NoError(t, s.DeleteBinding(t.Context(), "app", 0))
		entries = auditOf(t, s)
		assert.Contains(t, string(entries[len(entries)-1].Before), `"sessions_ended":1`)
	})
}
