package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// MaxIssuerRefusals is how many of the latest refusals of an issuer are kept.
	MaxIssuerRefusals = 50
	// maxRefusalText is the longest text of one, and maxRefusalReason the longest
	// reason, in bytes.
	maxRefusalText, maxRefusalReason = 120, 1000
)

// IssuerRefusal is a token of an issuer that was refused. The token is not in it.
type IssuerRefusal struct {
	At time.Time
	// Username and Service are what was asked for, Address and Client by whom.
	Username, Service, Address, Client string
	// Binding is the one that came closest, or empty.
	Binding string
	// Reason says what did not hold.
	Reason string
}

// RecordIssuerRefusals keeps refusals by the id of the issuer, and forgets all but
// the latest [MaxIssuerRefusals] of each. Those of an issuer that is gone are
// dropped.
func (s *Store) RecordIssuerRefusals(ctx context.Context, refusals map[int64][]IssuerRefusal) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for issuerID, all := range refusals {
			for _, r := range all[max(0, len(all)-MaxIssuerRefusals):] {
				if _, err := tx.ExecContext(ctx, `
					INSERT INTO issuer_refusals (issuer_id, at, username, service, address, client, binding, reason)
					SELECT id, ?, ?, ?, ?, ?, ?, ? FROM issuers WHERE id = ?`,
					timestamp(r.At), clipped(r.Username, maxRefusalText), clipped(r.Service, maxRefusalText), clipped(r.Address, maxRefusalText),
					clipped(r.Client, maxRefusalText), clipped(r.Binding, maxRefusalText), clipped(r.Reason, maxRefusalReason), issuerID); err != nil {
					return fmt.Errorf("record a refused token of an issuer: %w", err)
				}
			}
			// MySQL takes no LIMIT in IN (SELECT …), but in a table of its own.
			if _, err := tx.ExecContext(ctx, `
				DELETE FROM issuer_refusals WHERE issuer_id = ? AND id < (
					SELECT oldest FROM (SELECT MIN(id) AS oldest FROM (
						SELECT id FROM issuer_refusals WHERE issuer_id = ? ORDER BY id DESC LIMIT ?) kept) o)`,
				issuerID, issuerID, MaxIssuerRefusals); err != nil {
				return fmt.Errorf("forget refused tokens of an issuer: %w", err)
			}
		}
		return nil
	})
}

// IssuerRefusals lists the latest refusals of an issuer, the latest first. Error:
// [ErrNotFound].
func (s *Store) IssuerRefusals(ctx context.Context, name string) ([]IssuerRefusal, error) {
	issuer, err := s.Issuer(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := collect(ctx, s.reader, func(row scanner) (r IssuerRefusal, err error) {
		var at int64
		err = row.Scan(&at, &r.Username, &r.Service, &r.Address, &r.Client, &r.Binding, &r.Reason)
		r.At = fromTimestamp(at)
		return r, err
	}, "SELECT at, username, service, address, client, binding, reason FROM issuer_refusals WHERE issuer_id = ? ORDER BY id DESC LIMIT ?",
		issuer.ID, MaxIssuerRefusals)
	if err != nil {
		return nil, fmt.Errorf("list refused tokens of the issuer %s: %w", name, err)
	}
	return all, nil
}

// clipped cuts a text to about so many bytes, and keeps what is valid of it.
func clipped(text string, most int) string {
	return strings.ToValidUTF8(printable.ClipTo(text, most), "\ufffd")
}
