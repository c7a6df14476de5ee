package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Actor is who changes something, for the audit.
type Actor struct {
	Ref subject.Ref
	// Address is where the request came from.
	Address string
	// Credential limits what the actor may do and make. The zero Credential
	// limits nothing.
	Credential Credential
}

type actorKey struct{}

// WithActor returns a context whose changes are written to the audit as made
// by the actor. Without one, Dockit itself has made them.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// record writes a change to the audit, in the transaction of the change.
// before and after say what changed; nil is nothing.
func (s *Store) record(ctx context.Context, tx *sql.Tx, action audit.Action, changed subject.Ref, before, after any) error {
	return s.recordNamed(ctx, tx, action, audit.NameOf(changed), before, after)
}

// recordNamed is [Store.record] for what need not be a subject.
func (s *Store) recordNamed(ctx context.Context, tx *sql.Tx, action audit.Action, changed audit.Name, before, after any) error {
	event, err := eventOf(ctx, action, changed, before, after)
	if err != nil {
		return err
	}
	return s.appendAudit(ctx, tx, event)
}

// eventOf is what [Store.recordNamed] writes.
func eventOf(ctx context.Context, action audit.Action, changed audit.Name, before, after any) (audit.Event, error) {
	actor := actorOf(ctx)
	event := audit.Event{Action: action, Actor: audit.NameOf(actor.Ref), Address: actor.Address, Subject: changed}
	var err error
	if event.Before, err = auditState(before); err != nil {
		return event, err
	}
	event.After, err = auditState(after)
	return event, err
}

func auditState(state any) (json.RawMessage, error) {
	if state == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("write state for the audit: %w", err)
	}
	return encoded, nil
}

// appendAudit writes events, one after the other. Thousands at once cost a
// fraction of as many calls, for as long as no other change can be made.
func (s *Store) appendAudit(ctx context.Context, tx *sql.Tx, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := s.appendChain(ctx, tx, events); err != nil {
		return fmt.Errorf("write to the audit: %w", err)
	}
	return nil
}

func (s *Store) appendChain(ctx context.Context, tx *sql.Tx, events []audit.Event) error {
	// The update locks the head of the chain before it is read.
	if _, err := tx.ExecContext(ctx, "UPDATE audit_head SET sequence = sequence + ? WHERE id = 1", len(events)); err != nil {
		return err
	}
	var last int64
	var head string
	if err := tx.QueryRowContext(ctx, "SELECT sequence, hash FROM audit_head WHERE id = 1").Scan(&last, &head); err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO audit_entries (sequence, at, action, actor, address, subject, state_before, state_after, previous, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	at := s.now().UTC().Truncate(time.Microsecond)
	for i, event := range events {
		entry := audit.Entry{Event: event, At: at, Sequence: last - int64(len(events)-1-i), Previous: head}
		entry.Hash = entry.Digest()
		if _, err := insert.ExecContext(ctx,
			entry.Sequence, timestamp(entry.At), entry.Action, entry.Actor, entry.Address, entry.Subject,
			string(entry.Before), string(entry.After), entry.Previous, entry.Hash); err != nil {
			return err
		}
		head = entry.Hash
	}
	_, err = tx.ExecContext(ctx, "UPDATE audit_head SET hash = ? WHERE id = 1", head)
	return err
}

// RecordEvent writes to the audit what changes nothing in the store, such as a
// rotation of keys.
func (s *Store) RecordEvent(ctx context.Context, event audit.Event) error {
	return s.RecordEvents(ctx, []audit.Event{event})
}

// RecordEvents is [Store.RecordEvent] for several, all or none.
func (s *Store) RecordEvents(ctx context.Context, events []audit.Event) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, event := range events {
			if err := s.appendAudit(ctx, tx, event); err != nil {
				return err
			}
		}
		return nil
	})
}

// AuditQuery says which entries to read. Zero values do not restrict.
type AuditQuery struct {
	// After is the last sequence of the page before, Before that of the page before
	// where the newest come first.
	After, Before int64
	// NewestFirst turns the order round.
	NewestFirst bool
	// Limit is how many to return at most.
	Limit int
	// Since is the earliest time, Until the first that is too late.
	Since, Until time.Time
	Subject      audit.Name
	Actor        audit.Name
	Action       audit.Action
}

// cutQuery is the last entry that was cut, 0 without one.
const cutQuery = "(SELECT COALESCE(MAX(sequence), 0) FROM audit_checkpoints)"

// AuditEntries reads entries in the order of the chain or the other way round, those
// that were cut left out.
func (s *Store) AuditEntries(ctx context.Context, q AuditQuery) ([]audit.Entry, error) {
	conditions, args := []string{"sequence > ?", "sequence > " + cutQuery}, []any{q.After}
	restrict := func(condition string, given bool, value any) {
		if given {
			conditions, args = append(conditions, condition), append(args, value)
		}
	}
	restrict("sequence < ?", q.Before > 0, q.Before)
	restrict("at >= ?", !q.Since.IsZero(), timestamp(q.Since))
	restrict("at < ?", !q.Until.IsZero(), timestamp(q.Until))
	restrict("subject = ?", q.Subject != "", q.Subject)
	restrict("actor = ?", q.Actor != "", q.Actor)
	restrict("action = ?", q.Action != "", q.Action)
	order := " ORDER BY sequence LIMIT ?"
	if q.NewestFirst {
		order = " ORDER BY sequence DESC LIMIT ?"
	}
	entries, err := collect(ctx, s.reader, scanAudit, `
		SELECT sequence, at, action, actor, address, subject, state_before, state_after, previous, hash
		FROM audit_entries WHERE `+strings.Join(conditions, " AND ")+order,
		append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the audit: %w", err)
	}
	return entries, nil
}

func scanAudit(row scanner) (audit.Entry, error) {
	var e audit.Entry
	var at int64
	var before, after string
	if err := row.Scan(&e.Sequence, &at, &e.Action, &e.Actor, &e.Address, &e.Subject, &before, &after, &e.Previous, &e.Hash); err != nil {
		return audit.Entry{}, err
	}
	e.At = fromTimestamp(at)
	if before != "" {
		e.Before = json.RawMessage(before)
	}
	if after != "" {
		e.After = json.RawMessage(after)
	}
	return e, nil
}

// AuditHead names the newest entry.
func (s *Store) AuditHead(ctx context.Context) (audit.Head, error) {
	var h audit.Head
	if err := s.reader.QueryRowContext(ctx, "SELECT sequence, hash FROM audit_head WHERE id = 1").Scan(&h.Sequence, &h.Hash); err != nil {
		return audit.Head{}, fmt.Errorf("read the audit: %w", err)
	}
	return h, nil
}

// subjectState is what an audit entry says of a subject.
type subjectState struct {
	Admin    *bool `json:"admin,omitempty"`
	Disabled bool  `json:"disabled"`
	// Password is "set" or "changed", never the password or its hash.
	Password string `json:"password,omitempty"`
	// PasswordMadeBy is the token that set it.
	PasswordMadeBy string `json:"password_made_by,omitempty"`
	// Ended is what went because tokens of the subject had made it.
	Ended       *auditedMade        `json:"made_and_ended,omitempty"`
	Permissions []access.Permission `json:"permissions,omitempty"`
	Groups      []subject.Ref       `json:"groups,omitempty"`
	Members     []subject.Ref       `json:"members,omitempty"`
	// Bindings are the names of those that went with a robot.
	Bindings []string `json:"bindings,omitempty"`
	// Cut is set when there were more permissions, groups, members or bindings.
	Cut bool `json:"cut,omitempty"`
}

func stateOf(s Subject) subjectState {
	state := subjectState{Disabled: s.Disabled}
	if s.Ref.Kind == subject.User {
		state.Admin = &s.Admin
	}
	if s.HasPassword {
		state.Password = "set"
	}
	state.PasswordMadeBy = s.PasswordMadeBy
	return state
}

// maxAuditList bounds what one entry says of a subject that is removed.
const maxAuditList = 1000

// removedState is everything that goes with a subject.
func removedState(ctx context.Context, tx *sql.Tx, s Subject) (subjectState, error) {
	state := stateOf(s)
	var err error
	if state.Permissions, err = collect(ctx, tx, scanPermission,
		"SELECT type, name, actions FROM permissions WHERE subject_id = ? ORDER BY type, name LIMIT ?", s.ID, maxAuditList+1); err != nil {
		return state, fmt.Errorf("read permissions of %s: %w", s.Ref, err)
	}
	related, into := "m.group_id WHERE m.member_id", &state.Groups
	if s.Ref.Kind == subject.Group {
		related, into = "m.member_id WHERE m.group_id", &state.Members
	}
	if *into, err = collect(ctx, tx, func(row scanner) (r subject.Ref, err error) { return r, row.Scan(&r.Kind, &r.Name) },
		"SELECT s.kind, s.name FROM memberships m JOIN subjects s ON s.id = "+related+" = ? ORDER BY s.name LIMIT ?", s.ID, maxAuditList+1); err != nil {
		return state, fmt.Errorf("read memberships of %s: %w", s.Ref, err)
	}
	bindings, err := bindingNames(ctx, tx, "subject_id", s.ID)
	if err != nil {
		return state, err
	}
	state.Bindings, state.Cut = cutNames(bindings)
	state.Cut = state.Cut || len(state.Permissions) > maxAuditList || len(*into) > maxAuditList
	state.Permissions = state.Permissions[:min(len(state.Permissions), maxAuditList)]
	*into = (*into)[:min(len(*into), maxAuditList)]
	return state, nil
}

// permissionState is what an audit entry says of a permission that is granted or
// revoked; no actions are no permission.
func permissionState(p access.Permission) any {
	if p.Actions == 0 {
		return nil
	}
	return struct {
		Permission access.Permission `json:"permission"`
	}{p}
}

// memberState is what an audit entry says of a membership.
func memberState(member subject.Ref) any {
	return struct {
		Member subject.Ref `json:"member"`
	}{member}
}
