package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/subject"
)

// Change says whom one revision concerns.
type Change struct {
	Revision int64
	// SubjectID is a user or robot, or [Everybody].
	SubjectID int64
}

// Everybody is the SubjectID of a change that may concern anybody.
const Everybody int64 = 0

// keptChanges is how many of the latest changes are told apart. Who missed more
// reads everything again.
const keptChanges = 1000

// affected is whom a change concerns: the id of a user or robot, or one of the
// following.
type affected int64

const (
	everybody = affected(Everybody)
	// nobody is for what turned out to be no change.
	nobody affected = -1
)

// affects is whom a change of a subject concerns. That of a group concerns its
// members, and that of a built-in subject everybody.
func affects(changed Subject) affected {
	if changed.Ref.Kind != subject.Group && !changed.Ref.BuiltIn() {
		return affected(changed.ID)
	}
	return everybody
}

// note makes a change the next revision.
func note(ctx context.Context, tx *sql.Tx, whom affected) (Change, error) {
	if _, err := tx.ExecContext(ctx, "UPDATE revision SET number = number + 1 WHERE id = 1"); err != nil {
		return Change{}, fmt.Errorf("increment revision: %w", err)
	}
	c := Change{SubjectID: int64(whom)}
	if err := tx.QueryRowContext(ctx, "SELECT number FROM revision WHERE id = 1").Scan(&c.Revision); err != nil {
		return Change{}, fmt.Errorf("read revision: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM changes WHERE revision <= ? OR revision >= ?", c.Revision-keptChanges, c.Revision); err != nil {
		return Change{}, fmt.Errorf("forget old changes: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO changes (revision, subject_id) VALUES (?, ?)", c.Revision, c.SubjectID); err != nil {
		return Change{}, fmt.Errorf("note a change: %w", err)
	}
	return c, nil
}

// Changes lists the changes after a revision up to another one. It returns a
// change that concerns everybody where it is not known any more whom they
// concern.
func (s *Store) Changes(ctx context.Context, after, upTo int64) ([]Change, error) {
	if upTo-after > keptChanges {
		return []Change{{upTo, Everybody}}, nil
	}
	changes, err := collect(ctx, s.reader, func(row scanner) (c Change, err error) { return c, row.Scan(&c.Revision, &c.SubjectID) },
		"SELECT revision, subject_id FROM changes WHERE revision > ? AND revision <= ?", after, upTo)
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	if int64(len(changes)) != upTo-after {
		// An older Dockit on the same database does not say whom it concerns.
		return []Change{{upTo, Everybody}}, nil
	}
	return changes, nil
}

// Watch has f told of every change that was made, or may have been made,
// through this Store, before whoever asked for it is.
func (s *Store) Watch(f func(Change)) { s.watcher.Store(&f) }
