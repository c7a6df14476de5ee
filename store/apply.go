package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// Apply carries out a plan that [Store.Plan] made for a revision, in one
// transaction: all of it or nothing. It counts as one change of rights, and an
// empty plan as none. Errors: [ErrStale] when the revision is another by now,
// [ErrLastAdmin] when no enabled admin with a password would be left.
func (s *Store) Apply(ctx context.Context, plan state.Plan, revision int64) error {
	if plan.Empty() {
		return nil
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		// First, so that nobody else changes anything from here on.
		result, err := tx.ExecContext(ctx, "UPDATE revision SET number = number + 1 WHERE id = 1 AND number = ?", revision)
		if err != nil {
			return fmt.Errorf("increment revision: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("increment revision: %w", err)
		} else if n == 0 {
			return fmt.Errorf("the plan is for revision %d: %w", revision, ErrStale)
		}
		before, err := canAdminister(ctx, tx)
		if err != nil {
			return err
		}
		a := applier{ctx: ctx, tx: tx, now: timestamp(s.now()), ids: make(map[subject.Ref]int64), statements: make(map[string]*sql.Stmt)}
		defer a.close()
		if err := a.apply(plan); err != nil {
			return err
		}
		after, err := canAdminister(ctx, tx)
		if err != nil {
			return err
		}
		if before && !after {
			return fmt.Errorf("no enabled admin with a password would be left: %w", ErrLastAdmin)
		}
		return nil
	})
}

// canAdminister reports whether anybody can log in to the admin API. A document
// makes admins without a password, who cannot yet.
func canAdminister(ctx context.Context, q queryer) (bool, error) {
	var can bool
	if err := q.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT 1 FROM subjects WHERE admin = 1 AND disabled = 0 AND password_hash <> '')").Scan(&can); err != nil {
		return false, fmt.Errorf("look for an admin: %w", err)
	}
	return can, nil
}

// applier carries out changes in a transaction. The revision has not moved
// since they were planned, so that everything is there as they expect.
type applier struct {
	ctx        context.Context
	tx         *sql.Tx
	now        int64
	ids        map[subject.Ref]int64
	statements map[string]*sql.Stmt
}

// apply removes first, which frees names, and makes subjects before anything
// refers to them.
func (a *applier) apply(plan state.Plan) error {
	for _, step := range []struct {
		action state.Action // empty for every one but Remove
		do     func(state.Change) error
	}{
		{state.Remove, a.remove},
		{state.Create, a.create},
		{state.Update, a.update},
		{"", a.members},
		{"", a.permissions},
	} {
		for _, change := range plan.Changes {
			if change.Action != step.action && (step.action != "" || change.Action == state.Remove) {
				continue
			}
			if err := step.do(change); err != nil {
				return fmt.Errorf("%s %s: %w", change.Action, change.Subject, err)
			}
		}
	}
	return nil
}

func (a *applier) remove(c state.Change) error {
	if c.Subject.BuiltIn() {
		return ErrBuiltIn
	}
	id, err := a.id(c.Subject)
	if err != nil {
		return err
	}
	delete(a.ids, c.Subject)
	_, err = a.exec("DELETE FROM subjects WHERE id = ?", id)
	return err
}

func (a *applier) create(c state.Change) error {
	if err := subject.ValidateName(c.Subject.Name); err != nil {
		return err
	}
	if err := checkKind(c.Subject, c.Admin != nil && *c.Admin, c.Password); err != nil {
		return err
	}
	result, err := a.exec(
		"INSERT INTO subjects (kind, name, admin, disabled, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		c.Subject.Kind, c.Subject.Name, c.Admin != nil && *c.Admin, c.Disabled != nil && *c.Disabled, c.PasswordHash, a.now, a.now)
	if err != nil {
		return err
	}
	a.ids[c.Subject], err = result.LastInsertId()
	return err
}

func (a *applier) update(c state.Change) error {
	if c.Admin == nil && c.Disabled == nil && !c.Password {
		return nil
	}
	if c.Subject.BuiltIn() {
		return ErrBuiltIn
	}
	if err := checkKind(c.Subject, c.Admin != nil && *c.Admin, c.Password); err != nil {
		return err
	}
	id, err := a.id(c.Subject)
	if err != nil {
		return err
	}
	var hash *string
	if c.Password {
		hash = &c.PasswordHash
	}
	_, err = a.exec(
		"UPDATE subjects SET admin = COALESCE(?, admin), disabled = COALESCE(?, disabled), password_hash = COALESCE(?, password_hash), version = version + 1, updated_at = ? WHERE id = ?",
		c.Admin, c.Disabled, hash, a.now, id)
	return err
}

func (a *applier) members(c state.Change) error {
	if len(c.RemoveMembers)+len(c.AddMembers) == 0 {
		return nil
	}
	group, err := a.id(c.Subject)
	if err != nil {
		return err
	}
	for _, member := range c.RemoveMembers {
		id, err := a.id(member)
		if errors.Is(err, ErrNotFound) {
			continue // it was removed, and its memberships with it
		}
		if err != nil {
			return err
		}
		if _, err := a.exec("DELETE FROM memberships WHERE group_id = ? AND member_id = ?", group, id); err != nil {
			return fmt.Errorf("remove member %s: %w", member, err)
		}
	}
	for _, member := range c.AddMembers {
		if err := checkMembership(c.Subject, member); err != nil {
			return err
		}
		id, err := a.id(member)
		if err != nil {
			return err
		}
		if _, err := a.exec("INSERT INTO memberships (group_id, member_id, created_at) VALUES (?, ?, ?)", group, id, a.now); err != nil {
			return fmt.Errorf("add member %s: %w", member, err)
		}
	}
	return nil
}

func (a *applier) permissions(c state.Change) error {
	if len(c.Revoke)+len(c.Grant) == 0 {
		return nil
	}
	owner, err := a.id(c.Subject)
	if err != nil {
		return err
	}
	type target struct {
		kind access.Type
		name string
	}
	held := make(map[target]bool, len(c.Revoke))
	for _, p := range c.Revoke {
		held[target{p.Type, p.Name}] = true
	}
	for _, p := range c.Grant {
		if err := p.Validate(); err != nil {
			return err
		}
		if held[target{p.Type, p.Name}] {
			delete(held, target{p.Type, p.Name})
			_, err = a.exec("UPDATE permissions SET actions = ?, updated_at = ? WHERE subject_id = ? AND type = ? AND name = ?",
				p.Actions, a.now, owner, p.Type, p.Name)
		} else {
			_, err = a.exec("INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
				owner, p.Type, p.Name, p.Actions, a.now, a.now)
		}
		if err != nil {
			return fmt.Errorf("grant %s: %w", p, err)
		}
	}
	for gone := range held {
		if _, err := a.exec("DELETE FROM permissions WHERE subject_id = ? AND type = ? AND name = ?", owner, gone.kind, gone.name); err != nil {
			return fmt.Errorf("revoke %s:%s: %w", gone.kind, gone.name, err)
		}
	}
	return nil
}

// id finds a subject, which many changes may refer to.
func (a *applier) id(ref subject.Ref) (int64, error) {
	if id, known := a.ids[ref]; known {
		return id, nil
	}
	statement, err := a.statement("SELECT id FROM subjects WHERE name = ? AND kind = ?") //nolint:sqlclosecheck // close does
	if err != nil {
		return 0, err
	}
	var id int64
	switch err := statement.QueryRowContext(a.ctx, ref.Name, ref.Kind).Scan(&id); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("%s: %w", ref, ErrNotFound)
	case err != nil:
		return 0, fmt.Errorf("read %s: %w", ref, err)
	}
	a.ids[ref] = id
	return id, nil
}

func (a *applier) exec(query string, args ...any) (sql.Result, error) {
	statement, err := a.statement(query) //nolint:sqlclosecheck // close does
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(a.ctx, args...)
}

// statement prepares each query once: a plan may need it a hundred thousand
// times.
func (a *applier) statement(query string) (*sql.Stmt, error) {
	if statement, ok := a.statements[query]; ok {
		return statement, nil
	}
	statement, err := a.tx.PrepareContext(a.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	a.statements[query] = statement
	return statement, nil
}

func (a *applier) close() {
	for _, statement := range a.statements {
		_ = statement.Close() // the transaction closes it as well
	}
}
