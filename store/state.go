package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// statePage is how many subjects are read at once.
const statePage = 500

// State reads every subject with its members and permissions, in the canonical
// order of [state.Document], as it is at one moment. An error ends it. No
// password hash is in it.
func (s *Store) State(ctx context.Context) iter.Seq2[state.Subject, error] {
	return func(yield func(state.Subject, error) bool) {
		tx, err := s.reader.BeginTx(ctx, s.dialect.snapshot)
		if err != nil {
			yield(state.Subject{}, fmt.Errorf("begin transaction: %w", err))
			return
		}
		defer func() { _ = tx.Rollback() }() // it only read
		for one, err := range readState(ctx, tx) {
			one.PasswordHash = ""
			if !yield(one.Subject, err) || err != nil {
				return
			}
		}
	}
}

// PlanState says what [Store.ApplyState] would do. Errors: those of
// [state.Diff].
func (s *Store) PlanState(ctx context.Context, wanted *state.Document, o state.Options) (state.Plan, error) {
	tx, err := s.reader.BeginTx(ctx, s.dialect.snapshot)
	if err != nil {
		return state.Plan{}, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	plan, _, err := planState(ctx, tx, wanted, o)
	return plan, err
}

func planState(ctx context.Context, tx *sql.Tx, wanted *state.Document, o state.Options) (state.Plan, map[subject.Ref]int64, error) {
	differ, err := state.NewDiffer(wanted, o)
	if err != nil {
		return state.Plan{}, nil, err
	}
	ids := map[subject.Ref]int64{}
	for one, err := range readState(ctx, tx) {
		if err != nil {
			return state.Plan{}, nil, err
		}
		ids[one.Ref] = one.id
		differ.Current(one.Subject)
	}
	plan, err := differ.Plan()
	return plan, ids, err
}

// storedSubject is a subject of a state with what the database knows it by.
type storedSubject struct {
	state.Subject
	id int64
}

// readState reads everything page by page, so that memory is bounded by the
// largest group.
func readState(ctx context.Context, tx *sql.Tx) iter.Seq2[storedSubject, error] {
	return func(yield func(storedSubject, error) bool) {
		for _, kind := range subject.Kinds {
			after := ""
			for {
				page, err := readStatePage(ctx, tx, kind, after)
				if err != nil {
					yield(storedSubject{}, fmt.Errorf("read the state: %w", err))
					return
				}
				for _, one := range page {
					if !yield(one, nil) {
						return
					}
				}
				if len(page) < statePage {
					break
				}
				after = page[len(page)-1].Ref.Name
			}
		}
	}
}

func readStatePage(ctx context.Context, tx *sql.Tx, kind subject.Kind, after string) ([]storedSubject, error) {
	page, err := collect(ctx, tx, func(row scanner) (one storedSubject, err error) {
		return one, row.Scan(&one.id, &one.Ref.Kind, &one.Ref.Name, &one.Admin, &one.Disabled, &one.PasswordHash)
	}, "SELECT id, kind, name, admin, disabled, password_hash FROM subjects WHERE kind = ? AND name > ? ORDER BY name LIMIT ?",
		kind, after, statePage)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	byID := make(map[int64]*storedSubject, len(page))
	ids := make([]any, len(page))
	for i := range page {
		byID[page[i].id], ids[i] = &page[i], page[i].id
	}
	in := "(?" + strings.Repeat(", ?", len(ids)-1) + ")"
	if err := addPermissions(ctx, tx, byID, in, ids); err != nil {
		return nil, err
	}
	if kind == subject.Group {
		if err := addMembers(ctx, tx, byID, in, ids); err != nil {
			return nil, err
		}
	}
	return page, nil
}

func addPermissions(ctx context.Context, tx *sql.Tx, byID map[int64]*storedSubject, in string, ids []any) error {
	type owned struct {
		owner int64
		access.Permission
	}
	all, err := collect(ctx, tx, func(row scanner) (o owned, err error) {
		return o, row.Scan(&o.owner, &o.Type, &o.Name, &o.Actions)
	}, "SELECT subject_id, type, name, actions FROM permissions WHERE subject_id IN "+in+" ORDER BY subject_id, type, name", ids...)
	for _, o := range all {
		byID[o.owner].Permissions = append(byID[o.owner].Permissions, o.Permission)
	}
	return err
}

func addMembers(ctx context.Context, tx *sql.Tx, byID map[int64]*storedSubject, in string, ids []any) error {
	type membership struct {
		group  int64
		member subject.Ref
	}
	all, err := collect(ctx, tx, func(row scanner) (m membership, err error) {
		return m, row.Scan(&m.group, &m.member.Kind, &m.member.Name)
	}, "SELECT m.group_id, s.kind, s.name FROM memberships m JOIN subjects s ON s.id = m.member_id WHERE m.group_id IN "+in, ids...)
	for _, m := range all {
		byID[m.group].Members = append(byID[m.group].Members, m.member)
	}
	for _, group := range byID {
		slices.SortFunc(group.Members, state.Compare)
	}
	return err
}
