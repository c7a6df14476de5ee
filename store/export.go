package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// exportPage is how many subjects are read at once, with all that belongs to
// them.
const exportPage = 200

// Export gives every user, robot and group to yield, in the canonical order of
// a [state.Document], as they are at one moment, and returns the revision of
// that moment. Hashes of passwords are left out, and so are built-in subjects
// without permissions.
//
// The database keeps what that moment needs until Export returns: yield must
// not wait for anybody. Its first error ends the export.
func (s *Store) Export(ctx context.Context, yield func(state.Subject) error) (revision int64, err error) {
	return s.export(ctx, func(one state.Subject) error {
		one.PasswordHash = ""
		return yield(one)
	})
}

// Plan compares the state with a document and returns what would make the
// state what the document says, and the revision that the plan is for. Errors:
// those of [state.Diff].
func (s *Store) Plan(ctx context.Context, wanted *state.Document, options state.Options) (plan state.Plan, revision int64, err error) {
	differ, err := state.NewDiffer(wanted, options)
	if err != nil {
		return state.Plan{}, 0, err
	}
	revision, err = s.export(ctx, func(one state.Subject) error {
		differ.Current(one)
		return nil
	})
	if err != nil {
		return state.Plan{}, 0, err
	}
	plan, err = differ.Plan()
	return plan, revision, err
}

// export is [Store.Export] with hashes, which do not leave the store.
func (s *Store) export(ctx context.Context, yield func(state.Subject) error) (revision int64, err error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	if err := tx.QueryRowContext(ctx, "SELECT number FROM revision WHERE id = 1").Scan(&revision); err != nil {
		return 0, fmt.Errorf("read revision: %w", err)
	}
	for _, kind := range subject.Kinds {
		for after := ""; ; {
			page, err := readPage(ctx, tx, kind, after)
			if err != nil {
				return 0, fmt.Errorf("export %s: %w", kind.Plural(), err)
			}
			for _, one := range page {
				if one.Ref.BuiltIn() && len(one.Permissions) == 0 {
					continue
				}
				if err := yield(one); err != nil {
					return 0, err
				}
			}
			if len(page) < exportPage {
				break
			}
			after = page[len(page)-1].Ref.Name
		}
	}
	return revision, nil
}

// readPage reads the subjects of one kind whose names come next, with their
// members and permissions.
func readPage(ctx context.Context, q queryer, kind subject.Kind, after string) ([]state.Subject, error) {
	page, err := collect(ctx, q, func(row scanner) (one state.Subject, err error) {
		return one, row.Scan(&one.Ref.Kind, &one.Ref.Name, &one.Admin, &one.Disabled, &one.PasswordHash)
	}, "SELECT kind, name, admin, disabled, password_hash FROM subjects WHERE kind = ? AND name > ? ORDER BY name LIMIT ?",
		kind, after, exportPage)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	last := page[len(page)-1].Ref.Name
	byName := make(map[string]*state.Subject, len(page))
	for i := range page {
		byName[page[i].Ref.Name] = &page[i]
	}

	type given struct {
		to string
		access.Permission
	}
	permissions, err := collect(ctx, q, func(row scanner) (g given, err error) {
		return g, row.Scan(&g.to, &g.Type, &g.Name, &g.Actions)
	}, `
		SELECT s.name, p.type, p.name, p.actions FROM subjects s JOIN permissions p ON p.subject_id = s.id
		WHERE s.kind = ? AND s.name > ? AND s.name <= ? ORDER BY s.name, p.type, p.name`, kind, after, last)
	if err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	for _, p := range permissions {
		owner := byName[p.to]
		owner.Permissions = append(owner.Permissions, p.Permission)
	}
	if kind != subject.Group {
		return page, nil
	}

	type membership struct {
		group  string
		member subject.Ref
	}
	members, err := collect(ctx, q, func(row scanner) (m membership, err error) {
		return m, row.Scan(&m.group, &m.member.Kind, &m.member.Name)
	}, `
		SELECT s.name, m.kind, m.name
		FROM subjects s JOIN memberships ms ON ms.group_id = s.id JOIN subjects m ON m.id = ms.member_id
		WHERE s.kind = ? AND s.name > ? AND s.name <= ? ORDER BY s.name, m.kind DESC, m.name`, kind, after, last)
	if err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	for _, m := range members {
		group := byName[m.group]
		group.Members = append(group.Members, m.member)
	}
	return page, nil
}
