package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/audit"
)

const lastCheckpointQuery = "SELECT statement FROM audit_checkpoints ORDER BY number DESC LIMIT 1"

// AuditCheckpoints lists the statements about where the audit was cut, oldest
// first, of those after a number.
func (s *Store) AuditCheckpoints(ctx context.Context, after int64, limit int) ([]audit.Statement, error) {
	return auditCheckpoints(ctx, s.reader, after, limit)
}

func auditCheckpoints(ctx context.Context, q queryer, after int64, limit int) ([]audit.Statement, error) {
	statements, err := collect(ctx, q, func(row scanner) (one audit.Statement, err error) { return one, row.Scan(&one) },
		"SELECT statement FROM audit_checkpoints WHERE number > ? ORDER BY number LIMIT ?", after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints of the audit: %w", err)
	}
	return statements, nil
}

// LastAuditCheckpoint is the newest checkpoint, empty when nothing was cut.
func (s *Store) LastAuditCheckpoint(ctx context.Context) (audit.Statement, error) {
	return lastCheckpoint(ctx, s.reader)
}

func lastCheckpoint(ctx context.Context, q queryer) (audit.Statement, error) {
	var last audit.Statement
	err := q.QueryRowContext(ctx, lastCheckpointQuery).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the checkpoint of the audit: %w", err)
	}
	return last, nil
}

// auditPage is how many entries are read or removed at once.
const auditPage = 1000

// EndOfAudit follows the chain after a checkpoint through the entries before a
// time, and returns the last of them: the zero entry when there is none. It
// returns [ErrAuditBroken] when the chain does not hold so far: such entries
// must not go.
func (s *Store) EndOfAudit(ctx context.Context, checkpoint audit.Checkpoint, before time.Time) (audit.Entry, error) {
	chain := audit.After(audit.Head{Sequence: checkpoint.Sequence, Hash: checkpoint.Hash})
	var last audit.Entry
	for {
		page, err := s.AuditEntries(ctx, AuditQuery{After: max(last.Sequence, checkpoint.Sequence), Limit: auditPage})
		if err != nil {
			return audit.Entry{}, err
		}
		for _, e := range page {
			if err := chain.Next(e); err != nil {
				return audit.Entry{}, fmt.Errorf("%w: %w", ErrAuditBroken, err)
			}
			if !e.At.Before(before) {
				return last, nil
			}
			last = e
		}
		if len(page) < auditPage {
			return last, nil
		}
	}
}

// CutAudit writes down a checkpoint. From then on the entries up to it are not
// listed any more. It returns [ErrStale] when another node was faster, and when
// the entry is not there.
func (s *Store) CutAudit(ctx context.Context, c audit.Checkpoint, statement audit.Statement) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		last, err := lastCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		if last == "" && c.Previous != "" || last != "" && last.Digest() != c.Previous {
			return fmt.Errorf("cut the audit: %w", ErrStale)
		}
		if c.Removed > 0 {
			var hash string
			if err := tx.QueryRowContext(ctx, "SELECT hash FROM audit_entries WHERE sequence = ?", c.Sequence).Scan(&hash); err != nil && !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("cut the audit: %w", err)
			}
			if hash != c.Hash {
				return fmt.Errorf("cut the audit: %w", ErrStale)
			}
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO audit_checkpoints (number, sequence, statement) VALUES (?, ?, ?)", c.Number, c.Sequence, string(statement)); err != nil {
			return fmt.Errorf("write a checkpoint of the audit: %w", err)
		}
		return nil
	})
}

// RemoveCutEntries removes some of the entries that were cut, and returns how
// many. It is to be called until there are none.
func (s *Store) RemoveCutEntries(ctx context.Context) (int64, error) {
	var removed int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		var first, cut int64
		if err := tx.QueryRowContext(ctx, `
			SELECT COALESCE((SELECT MIN(sequence) FROM audit_entries), 0), COALESCE((SELECT MAX(sequence) FROM audit_checkpoints), 0)`).Scan(&first, &cut); err != nil {
			return err
		}
		if first == 0 || first > cut {
			removed = 0
			return nil
		}
		result, err := tx.ExecContext(ctx, "DELETE FROM audit_entries WHERE sequence <= ?", min(cut, first+auditPage-1))
		if err == nil {
			removed, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove entries of the audit that were cut: %w", err)
	}
	return removed, nil
}
