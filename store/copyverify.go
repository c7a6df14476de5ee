package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/state"
)

// verifyCopy compares both sides row by row and as an export, and follows the
// audit of the target. Errors: [errCopyDiffers], [ErrAuditBroken].
func verifyCopy(ctx context.Context, source, target *sql.Tx) error {
	for _, t := range copiedTables {
		if err := compare(source, target, "the rows of the table "+t.name, func(tx *sql.Tx) ([]byte, error) {
			sum := sha256.New()
			err := t.digest(ctx, tx, sum)
			return sum.Sum(nil), err
		}); err != nil {
			return err
		}
	}
	if err := compare(source, target, "the exported state", func(tx *sql.Tx) ([]byte, error) { return exportDigest(ctx, tx) }); err != nil {
		return err
	}
	return verifyAudit(ctx, target)
}

func compare(source, target *sql.Tx, what string, digest func(tx *sql.Tx) ([]byte, error)) error {
	was, err := digest(source)
	if err != nil {
		return fmt.Errorf("read %s to compare: %w", what, err)
	}
	is, err := digest(target)
	if err != nil {
		return fmt.Errorf("read %s of the copy to compare: %w", what, err)
	}
	if !bytes.Equal(was, is) {
		return fmt.Errorf("%w: %s: nothing was copied", errCopyDiffers, what)
	}
	return nil
}

// exportDigest is that of the state as 'dockit rbac export' writes it.
func exportDigest(ctx context.Context, tx *sql.Tx) ([]byte, error) {
	sum := sha256.New()
	w := state.NewWriter(sum, state.YAML)
	if err := writeState(ctx, tx, w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}

// verifyAudit follows the chain of the audit to its head.
func verifyAudit(ctx context.Context, tx *sql.Tx) error {
	const hint = "it came so from the database: see 'dockit rbac audit verify' there; nothing was copied"
	var checkpoints audit.Checkpoints
	statements, err := auditCheckpoints(ctx, tx, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := checkpoints.Next(statement); err != nil {
			return fmt.Errorf("%w: %w: %s", ErrAuditBroken, err, hint)
		}
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT sequence, at, action, actor, address, subject, state_before, state_after, previous, hash
		FROM audit_entries WHERE sequence > `+cutQuery+` ORDER BY sequence`)
	if err != nil {
		return fmt.Errorf("read the audit of the copy: %w", err)
	}
	defer rows.Close()
	chain := checkpoints.Chain()
	for rows.Next() {
		entry, err := scanAudit(rows)
		if err != nil {
			return fmt.Errorf("read the audit of the copy: %w", err)
		}
		if err := chain.Next(entry); err != nil {
			return fmt.Errorf("%w: %w: %s", ErrAuditBroken, err, hint)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the audit of the copy: %w", err)
	}
	var head audit.Head
	if err := tx.QueryRowContext(ctx, "SELECT sequence, hash FROM audit_head WHERE id = 1").Scan(&head.Sequence, &head.Hash); err != nil {
		return fmt.Errorf("read the head of the audit of the copy: %w", err)
	}
	if err := chain.End(head); err != nil {
		return fmt.Errorf("%w: %w: %s", ErrAuditBroken, err, hint)
	}
	return nil
}

// checkUnchanged compares the database with how a transaction sees it, by the
// numbers that every change of rights, keys and tokens increments.
func (s *Store) checkUnchanged(ctx context.Context, tx *sql.Tx) error {
	const query = `
		SELECT r.number, k.number, a.sequence FROM revision r, signing_keys_version k, audit_head a`
	var was, is [3]int64
	if err := tx.QueryRowContext(ctx, query).Scan(&was[0], &was[1], &was[2]); err != nil {
		return fmt.Errorf("look for changes: %w", err)
	}
	if err := s.reader.QueryRowContext(ctx, query).Scan(&is[0], &is[1], &is[2]); err != nil {
		return fmt.Errorf("look for changes: %w", err)
	}
	if was != is {
		return fmt.Errorf("%w: nothing was copied: stop every Dockit that uses it, and try again", errSourceChanged)
	}
	return nil
}
