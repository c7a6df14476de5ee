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

// statePage is how many subjects are read at once, and stateItems how many
// members and permissions of theirs, if not those of one alone are more.
const statePage, stateItems = 500, 20_000

// WriteState writes every subject with its members and permissions, the issuers
// and the bindings, as they are at one moment. Built-in subjects without
// permissions are left out, and so is every password hash.
func (s *Store) WriteState(ctx context.Context, w *state.Writer) error {
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	return writeState(ctx, tx, w)
}

func writeState(ctx context.Context, tx *sql.Tx, w *state.Writer) error {
	for one, err := range readState(ctx, tx) {
		if err != nil {
			return err
		}
		if one.Ref.BuiltIn() && len(one.Permissions) == 0 {
			continue // there is nothing to say
		}
		one.PasswordHash = ""
		if err := w.Write(one.Subject); err != nil {
			return err
		}
	}
	trusted, err := readTrusted(ctx, tx)
	if err != nil {
		return err
	}
	for _, issuer := range trusted.Issuers {
		if err := w.WriteIssuer(issuer); err != nil {
			return err
		}
	}
	for _, binding := range trusted.Bindings {
		if err := w.WriteBinding(binding); err != nil {
			return err
		}
	}
	return nil
}

// readTrusted reads the issuers and bindings, in their canonical order.
func readTrusted(ctx context.Context, tx *sql.Tx) (*state.Document, error) {
	issuers, err := readIssuers(ctx, tx)
	if err != nil {
		return nil, err
	}
	bindings, err := readBindings(ctx, tx)
	if err != nil {
		return nil, err
	}
	d := &state.Document{}
	for _, issuer := range issuers {
		d.Issuers = append(d.Issuers, issuer.Issuer)
	}
	for _, binding := range bindings {
		d.Bindings = append(d.Bindings, binding.Binding)
	}
	d.Sort()
	return d, nil
}

// PlanState says what [Store.ApplyState] would do. Errors: those of
// [state.NewDiffer] and of the [state.Differ], and what bindings are refused for.
func (s *Store) PlanState(ctx context.Context, wanted *state.Document, o state.Options) (state.Plan, error) {
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return state.Plan{}, fmt.Errorf("begin transaction: %w", err)
	}
	plan, _, err := planState(ctx, tx, wanted, s.bounded(o))
	_ = tx.Rollback() // it only read
	if err != nil || len(plan.Issuers)+len(plan.Bindings) == 0 {
		return plan, err
	}
	return s.tryPlan(ctx, wanted, o, plan)
}

// planState also returns the ids of those whom the plan may be about.
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
		if differ.Concerns(one.Ref) {
			ids[one.Ref] = one.id
		}
		if err := differ.Current(one.Subject); err != nil {
			return state.Plan{}, nil, err
		}
	}
	trusted, err := readTrusted(ctx, tx)
	if err != nil {
		return state.Plan{}, nil, err
	}
	for _, issuer := range trusted.Issuers {
		differ.CurrentIssuer(issuer)
	}
	for _, binding := range trusted.Bindings {
		differ.CurrentBinding(binding)
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
// subject with the most members and permissions.
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
				for len(page.subjects) > 0 {
					some, err := page.next(ctx, tx)
					if err != nil {
						yield(storedSubject{}, fmt.Errorf("read the state: %w", err))
						return
					}
					for _, one := range some {
						after = one.Ref.Name
						if !yield(one, nil) {
							return
						}
					}
				}
				if page.last {
					break
				}
			}
		}
	}
}

// subjectPage is some subjects, whose members and permissions are still to be
// read.
type subjectPage struct {
	kind     subject.Kind
	subjects []storedSubject
	// items is how many members and permissions a subject has.
	items map[int64]int
	// last is set when no subject comes after these.
	last bool
}

func readStatePage(ctx context.Context, tx *sql.Tx, kind subject.Kind, after string) (*subjectPage, error) {
	all, err := collect(ctx, tx, func(row scanner) (one storedSubject, err error) {
		return one, row.Scan(&one.id, &one.Ref.Kind, &one.Ref.Name, &one.Admin, &one.Disabled, &one.PasswordHash)
	}, "SELECT id, kind, name, admin, disabled, password_hash FROM subjects WHERE kind = ? AND name > ? ORDER BY name LIMIT ?",
		kind, after, statePage)
	page := &subjectPage{kind: kind, subjects: all, items: map[int64]int{}, last: len(all) < statePage}
	if err != nil || len(all) == 0 {
		return page, err
	}
	in, ids := idsOf(all)
	if err := page.count(ctx, tx, "SELECT subject_id, COUNT(*) FROM permissions WHERE subject_id IN "+in+" GROUP BY subject_id", ids); err != nil {
		return page, err
	}
	if kind == subject.Group {
		err = page.count(ctx, tx, "SELECT group_id, COUNT(*) FROM memberships WHERE group_id IN "+in+" GROUP BY group_id", ids)
	}
	return page, err
}

func idsOf(subjects []storedSubject) (in string, ids []any) {
	for _, one := range subjects {
		ids = append(ids, one.id)
	}
	return "(?" + strings.Repeat(", ?", len(ids)-1) + ")", ids
}

func (p *subjectPage) count(ctx context.Context, tx *sql.Tx, query string, ids []any) error {
	counts, err := collect(ctx, tx, func(row scanner) (count [2]int64, err error) {
		return count, row.Scan(&count[0], &count[1])
	}, query, ids...)
	for _, count := range counts {
		p.items[count[0]] += int(count[1])
	}
	return err
}

// next reads the next few subjects as a whole.
func (p *subjectPage) next(ctx context.Context, tx *sql.Tx) ([]storedSubject, error) {
	some, items := 1, p.items[p.subjects[0].id]
	for some < len(p.subjects) && items+p.items[p.subjects[some].id] <= stateItems {
		items += p.items[p.subjects[some].id]
		some++
	}
	subjects := p.subjects[:some]
	p.subjects = p.subjects[some:]
	if items == 0 {
		return subjects, nil
	}
	byID := make(map[int64]*storedSubject, some)
	for i := range subjects {
		byID[subjects[i].id] = &subjects[i]
	}
	in, ids := idsOf(subjects)
	if err := addPermissions(ctx, tx, byID, in, ids); err != nil {
		return nil, err
	}
	if p.kind != subject.Group {
		return subjects, nil
	}
	return subjects, addMembers(ctx, tx, byID, in, ids)
}

func addPermissions(ctx context.Context, tx *sql.Tx, byID map[int64]*storedSubject, in string, ids []any) error {
	rows, err := tx.QueryContext(ctx, "SELECT subject_id, type, name, actions FROM permissions WHERE subject_id IN "+in+" ORDER BY subject_id, type, name", ids...) //nolint:gosec // in holds question marks only
	if err != nil {
		return err
	}
	return eachRow(rows, func(row scanner) error {
		var owner int64
		var p access.Permission
		if err := row.Scan(&owner, &p.Type, &p.Name, &p.Actions); err != nil {
			return err
		}
		p.Type = known(p.Type)
		byID[owner].Permissions = append(byID[owner].Permissions, p)
		return nil
	})
}

// known is the same type without a text of its own.
func known(t access.Type) access.Type {
	for _, one := range []access.Type{access.Repository, access.Namespace, access.Registry} {
		if t == one {
			return one
		}
	}
	return t
}

func addMembers(ctx context.Context, tx *sql.Tx, byID map[int64]*storedSubject, in string, ids []any) error {
	rows, err := tx.QueryContext(ctx, "SELECT m.group_id, s.kind, s.name FROM memberships m JOIN subjects s ON s.id = m.member_id WHERE m.group_id IN "+in, ids...) //nolint:gosec // in holds question marks only
	if err != nil {
		return err
	}
	err = eachRow(rows, func(row scanner) error {
		var group int64
		var member subject.Ref
		if err := row.Scan(&group, &member.Kind, &member.Name); err != nil {
			return err
		}
		if i := slices.Index(subject.Kinds, member.Kind); i >= 0 {
			member.Kind = subject.Kinds[i]
		}
		byID[group].Members = append(byID[group].Members, member)
		return nil
	})
	for _, group := range byID {
		slices.SortFunc(group.Members, state.Compare)
	}
	return err
}

// eachRow has f read every row.
func eachRow(rows *sql.Rows, f func(row scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
