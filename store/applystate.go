package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// ApplyState makes the state what a document says, all of it or nothing, and
// returns what was done for that. The keys of new issuers are to be fetched then.
// Errors: those of [Store.PlanState], [ErrLastAdmin], [ErrTooMany]; [ErrNeedsPassword] and
// [ErrCredentialEnded] because of the credential of the actor.
func (s *Store) ApplyState(ctx context.Context, wanted *state.Document, o state.Options) (state.Plan, error) {
	return s.ApplyPlanned(ctx, wanted, o, "")
}

// ApplyPlanned is [Store.ApplyState] that does only what a plan of [Store.PlanState]
// said, by its [state.Plan.Tag], and returns [ErrStale] when it would do anything
// else. An empty tag is any plan.
func (s *Store) ApplyPlanned(ctx context.Context, wanted *state.Document, o state.Options, tag string) (state.Plan, error) {
	var plan state.Plan
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		var ids map[subject.Ref]int64
		var err error
		if plan, ids, err = planState(ctx, tx, wanted, s.bounded(o)); err != nil {
			return nobody, err
		}
		if tag != "" && plan.Tag() != tag {
			return nobody, fmt.Errorf("the document would do something else than what its plan said: %w", ErrStale)
		}
		if plan.Empty() {
			return nobody, nil
		}
		a := &stateApplier{Store: s, tx: tx, ids: ids, statements: map[string]*sql.Stmt{}}
		defer a.close()
		if err := a.refuseTokenFor(ctx, plan); err != nil {
			return nobody, err
		}
		if a.maker, err = s.credentialNow(ctx, tx); err != nil {
			return nobody, err
		}
		if err := a.apply(ctx, &plan); err != nil {
			return nobody, fmt.Errorf("apply the state: %w", err)
		}
		return everybody, nil
	})
	return plan, err
}

// eventsAtOnce are written to the audit together.
const eventsAtOnce = 1000

// stateApplier carries out a plan in a transaction.
type stateApplier struct {
	*Store
	tx *sql.Tx
	// ids are those of the subjects that the plan names, but for members that
	// leave.
	ids map[subject.Ref]int64
	// maker limits the passwords of new users.
	maker Credential
	// events go to the audit.
	events []audit.Event
	// statements are prepared once, for the same few run very often.
	statements map[string]*sql.Stmt
}

// refuseTokenFor refuses a plan as a whole when something of it needs a password
// and the actor came with less.
func (a *stateApplier) refuseTokenFor(ctx context.Context, plan state.Plan) error {
	if actorOf(ctx).Credential.ID == "" {
		return nil
	}
	const told = 5
	reasons := trustReasons(plan)
	for _, c := range plan.Changes {
		if c.Action == state.Create {
			if isTrue(c.Admin) {
				reasons = append(reasons, "make "+c.Subject.String()+" an admin")
			}
			continue
		}
		current, err := readSubject(ctx, a.tx, c.Subject)
		if err != nil {
			return err
		}
		after := subjectAfter{removed: c.Action == state.Remove, admin: current.Admin, disabled: current.Disabled, password: c.PasswordHash != ""}
		if c.Admin != nil {
			after.admin = *c.Admin
		}
		if c.Disabled != nil {
			after.disabled = *c.Disabled
		}
		more, err := a.needsPassword(ctx, a.tx, current, after)
		if err != nil {
			return err
		}
		reasons = append(reasons, more...)
	}
	switch {
	case len(reasons) == 0:
		return nil
	case len(reasons) > told:
		reasons = append(reasons[:told:told], fmt.Sprintf("and %d more", len(reasons)-told))
	}
	return requirePassword(ctx, "nothing was changed, for the document would "+strings.Join(reasons, ", "))
}

func (a *stateApplier) close() {
	for _, statement := range a.statements {
		_ = statement.Close() // it ends with the transaction
	}
}

func (a *stateApplier) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, ok := a.statements[query]
	if !ok {
		var err error
		if statement, err = a.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		a.statements[query] = statement
	}
	return statement.ExecContext(ctx, args...)
}

// apply removes first, for a name may pass from one kind to another, and then
// creates, for a group may have members that come later.
func (a *stateApplier) apply(ctx context.Context, plan *state.Plan) error {
	had, err := enabledAdmin(ctx, a.tx)
	if err != nil {
		return err
	}
	could, err := a.usableAdmin(ctx)
	if err != nil {
		return err
	}
	if err := a.removeTrusted(ctx, *plan); err != nil {
		return err
	}
	before := make([]*subjectState, len(plan.Changes))
	for i, c := range plan.Changes {
		if before[i], err = a.begin(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.Subject, err)
		}
	}
	for i, c := range plan.Changes {
		if c.Action != state.Create {
			continue
		}
		if err := a.create(ctx, plan.Changes[i]); err != nil {
			return fmt.Errorf("%s: %w", c.Subject, err)
		}
	}
	for i, c := range plan.Changes {
		if err := a.finish(ctx, c, before[i]); err != nil {
			return fmt.Errorf("%s: %w", c.Subject, err)
		}
	}
	if err := a.putTrusted(ctx, plan); err != nil {
		return err
	}
	if err := a.writeEvents(ctx); err != nil {
		return err
	}
	has, err := enabledAdmin(ctx, a.tx)
	if err != nil {
		return err
	}
	if had && !has {
		return fmt.Errorf("nobody would be an enabled admin any more: %w", ErrLastAdmin)
	}
	can, err := a.usableAdmin(ctx)
	if err == nil && could && !can {
		err = fmt.Errorf("no enabled admin would have a password or an access token: set one for an admin of the document first: %w", ErrLastAdmin)
	}
	return err
}

// usableAdmin reports whether an enabled admin can log in. A document makes
// admins without a password, who cannot yet.
func (a *stateApplier) usableAdmin(ctx context.Context) (bool, error) {
	var found bool
	err := a.tx.QueryRowContext(ctx, `
		SELECT EXISTS (
			SELECT 1 FROM subjects s WHERE s.admin = 1 AND s.disabled = 0 AND (s.password_hash <> '' OR EXISTS (
				SELECT 1 FROM access_tokens t WHERE t.subject_id = s.id AND (t.expires_at = 0 OR t.expires_at > ?))))`,
		timestamp(a.now())).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look for an admin that can log in: %w", err)
	}
	return found, nil
}

// begin keeps what the audit entry says of before, and removes what is to go.
func (a *stateApplier) begin(ctx context.Context, c state.Change) (*subjectState, error) {
	if c.Action == state.Create {
		return nil, nil //nolint:nilnil // there was nothing before
	}
	current, err := readSubject(ctx, a.tx, c.Subject)
	if err != nil {
		return nil, err
	}
	before := stateOf(current)
	if c.Action == state.Remove {
		before, err = removedState(ctx, a.tx, current)
		var ended MadeWith
		if err == nil {
			ended, err = a.endMadeBy(ctx, a.tx, current)
			before.Ended = ended.audited()
		}
		if err == nil {
			_, err = a.exec(ctx, "DELETE FROM subjects WHERE id = ?", current.ID)
		}
	}
	return &before, err
}

func (a *stateApplier) create(ctx context.Context, c state.Change) error {
	now, maker := timestamp(a.now()), a.makerOf(c)
	result, err := a.exec(ctx, insertSubject,
		c.Subject.Kind, c.Subject.Name, isTrue(c.Admin), isTrue(c.Disabled), c.PasswordHash, now, now, now,
		maker.ID, joined(maker.Networks), optionalTimestamp(maker.ExpiresAt))
	if err != nil {
		return err
	}
	a.ids[c.Subject], err = result.LastInsertId()
	return err
}

// makerOf limits the password that a new user gets, if any.
func (a *stateApplier) makerOf(c state.Change) Credential {
	if c.PasswordHash == "" {
		return Credential{}
	}
	return a.maker
}

// created is what [stateApplier.create] has made, as far as the audit entry says.
func (a *stateApplier) created(c state.Change) Subject {
	return Subject{
		Ref: c.Subject, Admin: isTrue(c.Admin), Disabled: isTrue(c.Disabled),
		HasPassword: c.PasswordHash != "", PasswordMadeBy: a.makerOf(c).ID,
	}
}

func isTrue(flag *bool) bool { return flag != nil && *flag }

// finish makes the rest of a change, and writes the whole of it to the audit.
func (a *stateApplier) finish(ctx context.Context, c state.Change, before *subjectState) error {
	if c.Action == state.Remove {
		return a.keep(ctx, c, before, nil)
	}
	if c.Action == state.Update {
		if err := a.updateProperties(ctx, c, before); err != nil {
			return err
		}
	}
	if err := a.changeMembers(ctx, c); err != nil {
		return err
	}
	if err := a.changePermissions(ctx, c); err != nil {
		return err
	}
	return a.recordApplied(ctx, c, before)
}

func (a *stateApplier) updateProperties(ctx context.Context, c state.Change, before *subjectState) error {
	if c.Admin == nil && c.Disabled == nil && c.PasswordHash == "" {
		return nil
	}
	var hash *string
	if c.PasswordHash != "" {
		hash = &c.PasswordHash
	}
	if _, err := a.exec(ctx, `
		UPDATE subjects SET admin = COALESCE(?, admin), disabled = COALESCE(?, disabled),
			password_hash = COALESCE(?, password_hash), version = version + 1, updated_at = ? WHERE id = ?`,
		c.Admin, c.Disabled, hash, timestamp(a.now()), a.ids[c.Subject]); err != nil {
		return err
	}
	current := Subject{ID: a.ids[c.Subject], Ref: c.Subject}
	if hash != nil {
		if err := a.limitPassword(ctx, a.tx, current); err != nil {
			return err
		}
	}
	ended, err := a.endWith(ctx, a.tx, current, subjectAfter{disabled: isTrue(c.Disabled), password: hash != nil})
	before.Ended = ended.audited()
	return err
}

func (a *stateApplier) changeMembers(ctx context.Context, c state.Change) error {
	group := a.ids[c.Subject]
	for _, member := range c.RemoveMembers {
		if _, err := a.exec(ctx, "DELETE FROM memberships WHERE group_id = ? AND member_id IN (SELECT id FROM subjects WHERE kind = ? AND name = ?)",
			group, member.Kind, member.Name); err != nil {
			return err
		}
	}
	for _, member := range c.AddMembers {
		if _, err := a.exec(ctx, "INSERT INTO memberships (group_id, member_id, created_at) VALUES (?, ?, ?)",
			group, a.ids[member], timestamp(a.now())); err != nil {
			return fmt.Errorf("add %s: %w", member, err)
		}
	}
	return nil
}

func (a *stateApplier) changePermissions(ctx context.Context, c state.Change) error {
	owner, now := a.ids[c.Subject], timestamp(a.now())
	for _, p := range c.Revoke {
		if _, err := a.exec(ctx, "DELETE FROM permissions WHERE subject_id = ? AND type = ? AND name = ?", owner, p.Type, p.Name); err != nil {
			return err
		}
	}
	for _, p := range c.Grant {
		if _, err := a.exec(ctx, "INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
			owner, p.Type, p.Name, p.Actions, now, now); err != nil {
			return fmt.Errorf("grant %s: %w", p, err)
		}
	}
	return nil
}

// recordApplied appends one subject to the audit: its properties, and of members
// and permissions what went and what came.
func (a *stateApplier) recordApplied(ctx context.Context, c state.Change, before *subjectState) error {
	if before == nil {
		after := stateOf(a.created(c))
		after.Permissions, after.Members, after.Cut = cut(c.Grant, c.AddMembers)
		return a.keep(ctx, c, nil, after)
	}
	current, err := readSubject(ctx, a.tx, c.Subject)
	if err != nil {
		return err
	}
	after := stateOf(current)
	if c.PasswordHash != "" {
		after.Password = "changed"
	}
	after.Permissions, after.Members, after.Cut = cut(c.Grant, c.AddMembers)
	before.Permissions, before.Members, before.Cut = cut(c.Revoke, c.RemoveMembers)
	return a.keep(ctx, c, before, after)
}

func (a *stateApplier) keep(ctx context.Context, c state.Change, before, after any) error {
	return a.keepNamed(ctx, audit.NameOf(c.Subject), before, after)
}

// keepNamed has an entry of the audit written together with others.
func (a *stateApplier) keepNamed(ctx context.Context, changed audit.Name, before, after any) error {
	event, err := eventOf(ctx, audit.Apply, changed, before, after)
	if err != nil {
		return err
	}
	if a.events = append(a.events, event); len(a.events) < eventsAtOnce {
		return nil
	}
	return a.writeEvents(ctx)
}

func (a *stateApplier) writeEvents(ctx context.Context) error {
	err := a.appendAudit(ctx, a.tx, a.events...)
	a.events = a.events[:0]
	return err
}

// cut bounds what one entry of the audit holds.
func cut(permissions []access.Permission, members []subject.Ref) ([]access.Permission, []subject.Ref, bool) {
	return permissions[:min(len(permissions), maxAuditList)], members[:min(len(members), maxAuditList)],
		len(permissions) > maxAuditList || len(members) > maxAuditList
}

func enabledAdmin(ctx context.Context, tx *sql.Tx) (bool, error) {
	var found int
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM subjects WHERE admin = 1 AND disabled = 0 LIMIT 1").Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
