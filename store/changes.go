package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/dockit-registry/dockit/store/internal/dialect"
	"github.com/dockit-registry/dockit/subject"
)

// Change says whom one revision concerns.
type Change struct {
	Revision int64
	// SubjectID is a user or robot, [Everybody], or [FederationID].
	SubjectID int64
}

// Everybody is the SubjectID of a change that may concern every subject.
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
	nonce := 1 + rand.Int64N(math.MaxInt64-1) //nolint:gosec // it identifies, and keeps no attacker out
	if _, err := tx.ExecContext(ctx, "UPDATE revision SET number = number + 1, nonce = ? WHERE id = 1", nonce); err != nil {
		return Change{}, fmt.Errorf("increment revision: %w", err)
	}
	c := Change{SubjectID: int64(whom)}
	if err := tx.QueryRowContext(ctx, "SELECT number FROM revision WHERE id = 1").Scan(&c.Revision); err != nil {
		return Change{}, fmt.Errorf("read revision: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM changes WHERE revision <= ? OR revision >= ?", c.Revision-keptChanges, c.Revision); err != nil {
		return Change{}, fmt.Errorf("forget old changes: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO changes (revision, nonce, subject_id) VALUES (?, ?, ?)", c.Revision, nonce, c.SubjectID); err != nil {
		return Change{}, fmt.Errorf("note a change: %w", err)
	}
	return c, nil
}

// ErrOtherHistory is returned by [Store.Changes] when the earlier marks are not
// known to the database: it was put back to an earlier state, a replica took over
// that did not have everything, or it was too long ago.
var ErrOtherHistory = errors.New("the database does not know these marks")

// Changes lists the changes after earlier marks up to later ones. It returns a
// change that concerns everybody where it is not known any more whom they
// concern. Error: [ErrOtherHistory].
func (s *Store) Changes(ctx context.Context, after, upTo Marks) ([]Change, error) {
	if upTo.Revision-after.Revision >= keptChanges {
		return nil, ErrOtherHistory
	}
	type noted struct {
		Change
		nonce int64
	}
	found, err := answered(s, func() ([]noted, error) {
		return collect(ctx, s.reader, func(row scanner) (n noted, err error) { return n, row.Scan(&n.Revision, &n.SubjectID, &n.nonce) },
			"SELECT revision, subject_id, nonce FROM changes WHERE revision >= ? AND revision <= ? ORDER BY revision", after.Revision, upTo.Revision)
	})
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	if len(found) == 0 || found[0].Revision != after.Revision || found[0].nonce != after.Nonce {
		return nil, ErrOtherHistory
	}
	if int64(len(found)-1) != upTo.Revision-after.Revision {
		// An older Dockit on the same database does not say whom it concerns.
		return []Change{{upTo.Revision, Everybody}}, nil
	}
	var changes []Change
	for _, n := range found[1:] {
		changes = append(changes, n.Change)
	}
	return changes, nil
}

// Watch has f told of every change that was made, or may have been made,
// through this Store, before the caller who asked for it is.
func (s *Store) Watch(f func(Change)) { s.watcher.Store(&f) }

// Marks show cheaply whether something changed, on whatever node: as long as a
// mark is the same, so is what it stands for.
type Marks struct {
	// Revision stands for subjects, memberships, permissions and the secrets
	// of tokens. A new token leaves it as it is: nothing was known of it.
	Revision int64
	// Nonce is another one in each revision, at random: it distinguishes a revision from
	// one of the same number in another history of the database.
	Nonce int64
	// Failures stands for the wrong passwords: it changes with each that is
	// recorded, not when they are forgotten.
	Failures int64
}

// marksQuery reads the database's clock as well.
func marksQuery(d *dialect.Dialect) string {
	return `
SELECT number, nonce, (SELECT COALESCE(MAX(id), 0) FROM login_failures), ` + cmp.Or(d.Clock, "0") + ` FROM revision WHERE id = 1`
}

// Marks reads the marks as they are now.
func (s *Store) Marks(ctx context.Context) (Marks, error) {
	return answered(s, func() (Marks, error) { return s.readMarks(ctx) })
}

func (s *Store) readMarks(ctx context.Context) (Marks, error) {
	var m Marks
	var shown int64
	began := s.clock.this()
	if err := s.marks.QueryRowContext(ctx).Scan(&m.Revision, &m.Nonce, &m.Failures, &shown); err != nil {
		return Marks{}, fmt.Errorf("read revision: %w", err)
	}
	s.clock.read(began, fromTimestamp(shown))
	return m, nil
}
