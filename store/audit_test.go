package store

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
)

// auditOf reads the whole audit and checks its chain.
func auditOf(t *testing.T, s *Store) []audit.Entry {
	t.Helper()
	entries, err := s.AuditEntries(t.Context(), AuditQuery{Limit: 10_000})
	require.NoError(t, err)
	require.NoError(t, verify(t, s, entries))
	return entries
}

func verify(t *testing.T, s *Store, entries []audit.Entry) error {
	t.Helper()
	statements, err := s.AuditCheckpoints(t.Context(), 0, 100)
	require.NoError(t, err)
	var checkpoints audit.Checkpoints
	for _, statement := range statements {
		if err := checkpoints.Next(statement); err != nil {
			return err
		}
	}
	chain := checkpoints.Chain()
	for _, e := range entries {
		if err := chain.Next(e); err != nil {
			return err
		}
	}
	head, err := s.AuditHead(t.Context())
	require.NoError(t, err)
	return chain.End(head)
}

func TestEveryChangeLeavesOneEntry(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		ctx := WithActor(t.Context(), Actor{Ref: ref(t, "user:root"), Address: "192.0.2.1"})
		must := func(_ any, err error) {
			t.Helper()
			require.NoError(t, err)
		}
		yes, hash := true, "$argon2id$secret"
		alice, dev, ci := ref(t, "user:alice"), ref(t, "group:dev"), ref(t, "robot:ci")
		must(s.CreateFirstAdmin(t.Context(), ref(t, "user:root"), "$argon2id$first", []access.Permission{access.Catalog}))
		must(s.CreateSubject(ctx, NewSubject{Ref: alice, PasswordHash: "$argon2id$other"}))
		must(s.CreateSubject(ctx, NewSubject{Ref: dev}))
		must(s.CreateSubject(ctx, NewSubject{Ref: ci, Disabled: true}))
		must(s.UpdateSubject(ctx, alice, SubjectChange{Disabled: &yes}, 0))
		must(s.UpdateSubject(ctx, alice, SubjectChange{Disabled: &yes}, 0)) // changes nothing
		must(s.UpdateSubject(ctx, alice, SubjectChange{PasswordHash: &hash}, 0))
		must(s.AddMember(ctx, dev, alice))
		must(s.AddMember(ctx, dev, alice)) // changes nothing
		must(s.Grant(ctx, dev, permission(t, "repository:team/*:pull")))
		must(s.Grant(ctx, dev, permission(t, "repository:team/*:pull"))) // changes nothing
		must(s.Grant(ctx, dev, permission(t, "repository:team/*:push")))
		must(s.Revoke(ctx, dev, permission(t, "repository:team/*:push")))
		must(s.Revoke(ctx, dev, permission(t, "repository:team/*:pull")))
		must(nil, s.RemoveMember(ctx, dev, alice))
		must(s.AddMember(ctx, dev, alice))
		must(s.Grant(ctx, alice, permission(t, "repository:own:pull")))
		must(nil, s.DeleteSubject(ctx, alice, 0))

		expected := []struct{ action, subject, before, after string }{
			{"create", "user:root", ``, `{"admin":true,"disabled":false,"password":"set","permissions":["registry:catalog:*"]}`},
			{"create", "user:alice", ``, `{"admin":false,"disabled":false,"password":"set"}`},
			{"create", "group:dev", ``, `{"disabled":false}`},
			{"create", "robot:ci", ``, `{"disabled":true}`},
			{"update", "user:alice", `{"admin":false,"disabled":false,"password":"set"}`, `{"admin":false,"disabled":true,"password":"set"}`},
			{"set-password", "user:alice", `{"admin":false,"disabled":true,"password":"set"}`, `{"admin":false,"disabled":true,"password":"changed"}`},
			{"add-member", "group:dev", ``, `{"member":"user:alice"}`},
			{"grant", "group:dev", ``, `{"permission":"repository:team/*:pull"}`},
			{"grant", "group:dev", `{"permission":"repository:team/*:pull"}`, `{"permission":"repository:team/*:pull,push"}`},
			{"revoke", "group:dev", `{"permission":"repository:team/*:pull,push"}`, `{"permission":"repository:team/*:pull"}`},
			{"revoke", "group:dev", `{"permission":"repository:team/*:pull"}`, ``},
			{"remove-member", "group:dev", `{"member":"user:alice"}`, ``},
			{"add-member", "group:dev", ``, `{"member":"user:alice"}`},
			{"grant", "user:alice", ``, `{"permission":"repository:own:pull"}`},
			{"remove", "user:alice", `{"admin":false,"disabled":true,"password":"set","permissions":["repository:own:pull"],"groups":["group:dev"]}`, ``},
		}
		entries := auditOf(t, s)
		require.Len(t, entries, len(expected))
		for i, e := range entries {
			want := expected[i]
			assert.Equal(t, want.action, string(e.Action), "entry %d: %s %s %s -> %s", i+1, e.Action, e.Subject, e.Before, e.After)
			assert.Equal(t, want.subject, string(e.Subject), "entry %d: %s %s %s -> %s", i+1, e.Action, e.Subject, e.Before, e.After)
			assert.Equal(t, want.before, string(e.Before), "entry %d: %s %s %s -> %s", i+1, e.Action, e.Subject, e.Before, e.After)
			assert.Equal(t, want.after, string(e.After), "entry %d: %s %s %s -> %s", i+1, e.Action, e.Subject, e.Before, e.After)
			actor, address := audit.Name("user:root"), "192.0.2.1"
			if i == 0 {
				actor, address = "", ""
			}
			assert.Equal(t, actor, e.Actor, "entry %d is by %q from %q", i+1, e.Actor, e.Address)
			assert.Equal(t, address, e.Address, "entry %d is by %q from %q", i+1, e.Actor, e.Address)
			assert.LessOrEqual(t, time.Since(e.At).Abs(), time.Minute, "entry %d is of %s", i+1, e.At)
		}
		encoded, err := json.Marshal(entries)
		require.NoError(t, err)
		assert.NotContains(t, string(encoded), "argon2", "a hash is in the audit")
	})
}

func TestARefusedChangeLeavesNoEntry(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "group:dev")
		before := len(auditOf(t, s))
		for _, err := range []error{
			s.DeleteSubject(t.Context(), ref(t, "user:nobody"), 0),
			s.DeleteSubject(t.Context(), ref(t, "user:alice"), 99),
			s.RemoveMember(t.Context(), ref(t, "group:dev"), ref(t, "user:alice")),
		} {
			require.Error(t, err, "it was not refused")
		}
		assert.Len(t, auditOf(t, s), before)
	})
}

func TestChainHoldsUnderConcurrency(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					assert.NoError(t, s.RecordEvent(t.Context(), audit.Event{Action: audit.LoginFailed, Subject: "user:root"}))
				}
			})
		}
		wg.Wait()
		assert.Len(t, auditOf(t, s), 81)
	})
}

func TestTamperingIsFound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		for name, c := range map[string]struct {
			statement string
			err       error
		}{
			"removed":              {"DELETE FROM audit_entries WHERE sequence = 2", audit.ErrGap},
			"newest removed":       {"DELETE FROM audit_entries WHERE sequence = 4", audit.ErrCut},
			"all removed":          {"DELETE FROM audit_entries", audit.ErrCut},
			"altered":              {"UPDATE audit_entries SET actor = 'user:other' WHERE sequence = 3", audit.ErrAltered},
			"moved in time":        {"UPDATE audit_entries SET at = at + 1 WHERE sequence = 1", audit.ErrAltered},
			"altered with a hash":  {"UPDATE audit_entries SET hash = 'x' WHERE sequence = 3", audit.ErrAltered},
			"another one in front": {"UPDATE audit_entries SET sequence = sequence + 1000; UPDATE audit_entries SET sequence = sequence - 999", audit.ErrGap},
		} {
			t.Run(name, func(t *testing.T) {
				s := db.open(t)
				create(t, s, "user:a", "user:b", "user:c", "user:d")
				auditOf(t, s)
				for statement := range strings.SplitSeq(c.statement, "; ") {
					_, err := s.writer.ExecContext(t.Context(), statement)
					require.NoError(t, err)
				}
				entries, err := s.AuditEntries(t.Context(), AuditQuery{Limit: 100})
				require.NoError(t, err)
				err = verify(t, s, entries)
				assert.ErrorIs(t, err, c.err)
			})
		}
	})
}

func TestAuditQueries(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for n := range 10 {
			s.now = func() time.Time { return start.Add(time.Duration(n) * time.Hour) }
			event := audit.Event{Action: audit.Update, Actor: "user:root", Subject: "user:alice"}
			if n%2 == 1 {
				event = audit.Event{Action: audit.LoginFailed, Subject: "user:root"}
			}
			require.NoError(t, s.RecordEvent(t.Context(), event))
		}
		for name, c := range map[string]struct {
			query    AuditQuery
			expected []int64
		}{
			"all":     {AuditQuery{}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
			"page":    {AuditQuery{After: 4, Limit: 3}, []int64{5, 6, 7}},
			"newest":  {AuditQuery{NewestFirst: true, Limit: 3}, []int64{10, 9, 8}},
			"before":  {AuditQuery{NewestFirst: true, Before: 8, After: 5}, []int64{7, 6}},
			"since":   {AuditQuery{Since: start.Add(7 * time.Hour)}, []int64{8, 9, 10}},
			"until":   {AuditQuery{Until: start.Add(2 * time.Hour)}, []int64{1, 2}},
			"subject": {AuditQuery{Subject: "user:alice", Since: start.Add(time.Hour)}, []int64{3, 5, 7, 9}},
			"actor":   {AuditQuery{Actor: "user:root", Until: start.Add(3 * time.Hour)}, []int64{1, 3}},
			"action":  {AuditQuery{Action: audit.LoginFailed, After: 6}, []int64{8, 10}},
			"nobody":  {AuditQuery{Subject: "user:nobody"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				if c.query.Limit == 0 {
					c.query.Limit = 100
				}
				entries, err := s.AuditEntries(t.Context(), c.query)
				require.NoError(t, err)
				var got []int64
				for _, e := range entries {
					got = append(got, e.Sequence)
				}
				require.Len(t, got, len(c.expected), "want %v", c.expected)
				for i := range got {
					assert.Equal(t, c.expected[i], got[i], "got %v, want %v", got, c.expected)
				}
			})
		}
	})
}
