package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
)

const (
	// MaxIssuers is how many issuers there may be: each node keeps all of them in
	// memory.
	MaxIssuers = 200
	// MaxBindings is the same of bindings.
	MaxBindings = 10_000
)

// Issuer is an issuer that is trusted, as it is kept.
type Issuer struct {
	ID int64
	federation.Issuer
	CreatedAt time.Time
	UpdatedAt time.Time
	// Version grows with every change, and starts with the time.
	Version int64
}

const issuerColumns = `i.id, i.name, i.url, i.kind, i.audiences, i.jwks_url, i.jwks, i.jwks_host, i.ca, i.bearer_file, i.max_age, i.disabled,
i.version, i.created_at, i.updated_at`

func scanIssuer(row scanner) (Issuer, error) {
	var (
		i                        Issuer
		audiences                string
		maxAge, created, updated int64
	)
	err := row.Scan(&i.ID, &i.Name, &i.URL, &i.Kind, &audiences, &i.JWKSURL, &i.JWKS, &i.JWKSHost, &i.CA, &i.BearerFile, &maxAge, &i.Disabled,
		&i.Version, &created, &updated)
	if err != nil {
		return Issuer{}, err
	}
	if err := json.Unmarshal([]byte(audiences), &i.Audiences); err != nil {
		return Issuer{}, fmt.Errorf("audiences of the issuer %s: %w", i.Name, err)
	}
	i.MaxAge, i.CreatedAt, i.UpdatedAt = time.Duration(maxAge)*time.Second, fromTimestamp(created), fromTimestamp(updated)
	return i, nil
}

// Issuer returns one issuer, or [ErrNotFound].
func (s *Store) Issuer(ctx context.Context, name string) (Issuer, error) {
	return readIssuer(ctx, s.reader, name)
}

func readIssuer(ctx context.Context, q queryer, name string) (Issuer, error) {
	found, err := scanIssuer(q.QueryRowContext(ctx, "SELECT "+issuerColumns+" FROM issuers i WHERE i.name = ?", name))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Issuer{}, fmt.Errorf("issuer %q: %w", name, ErrNotFound)
	case err != nil:
		return Issuer{}, fmt.Errorf("read the issuer %q: %w", name, err)
	}
	return found, nil
}

// Issuers lists the issuers by name. Of the [Page], After, Limit and Prefix count.
func (s *Store) Issuers(ctx context.Context, page Page) ([]Issuer, error) {
	const del = "\x7f" // after every name with the prefix
	all, err := collect(ctx, s.reader, scanIssuer, "SELECT "+issuerColumns+
		" FROM issuers i WHERE i.name > ? AND i.name >= ? AND i.name < ? ORDER BY i.name LIMIT ?",
		page.After, page.Prefix, page.Prefix+del, page.Limit)
	if err != nil {
		return nil, fmt.Errorf("list issuers: %w", err)
	}
	return all, nil
}

func readIssuers(ctx context.Context, q queryer) ([]Issuer, error) {
	all, err := collect(ctx, q, scanIssuer, "SELECT "+issuerColumns+" FROM issuers i ORDER BY i.name")
	if err != nil {
		return nil, fmt.Errorf("read the issuers: %w", err)
	}
	return all, nil
}

// requirePasswordForTrust keeps a token from trusting an issuer for longer than
// itself.
func requirePasswordForTrust(ctx context.Context, what string) error {
	return requirePassword(ctx, what+", whose tokens are good after yours has ended")
}

// MayTrust reports why the credential of the actor may trust no issuer of a name:
// [ErrNeedsPassword]. [Store.CreateIssuer] asks as well: this is for who has to look
// at the issuer first.
func (s *Store) MayTrust(ctx context.Context, name string) error {
	return requirePasswordForTrust(ctx, "trust the issuer "+name)
}

// CreateIssuer makes an issuer with the keys that it published, if they were
// fetched. Errors: [federation.ErrInvalidIssuer],
// [ErrExists], [ErrTooMany]; [ErrNeedsPassword] because of the credential of the
// actor.
func (s *Store) CreateIssuer(ctx context.Context, n federation.Issuer, keys federation.Keys) (Issuer, error) {
	if err := n.Validate(); err != nil {
		return Issuer{}, err
	}
	if err := s.MayTrust(ctx, n.Name); err != nil {
		return Issuer{}, err
	}
	var created Issuer
	err := s.change(ctx, func(tx *sql.Tx) (_ affected, err error) {
		if created, err = s.insertIssuer(ctx, tx, n); err != nil {
			return nobody, err
		}
		if len(keys.JWKS) > 0 {
			if err := s.putIssuerKeys(ctx, tx, created.ID, keys); err != nil {
				return nobody, err
			}
		}
		return federated, s.recordNamed(ctx, tx, audit.Create, audit.IssuerName(n.Name), nil, issuerState(n))
	})
	return created, err
}

func (s *Store) insertIssuer(ctx context.Context, tx *sql.Tx, n federation.Issuer) (Issuer, error) {
	if err := roomFor(ctx, tx, "issuers", MaxIssuers); err != nil {
		return Issuer{}, fmt.Errorf("create the issuer %s: %w", n.Name, err)
	}
	now := timestamp(s.now())
	_, err := tx.ExecContext(ctx, `
		INSERT INTO issuers (name, url, kind, audiences, jwks_url, jwks, jwks_host, ca, bearer_file, max_age, disabled, version, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(append([]any{n.Name}, issuerValues(n)...), now, now, now)...)
	switch {
	case s.dialect.Duplicate(err):
		return Issuer{}, fmt.Errorf("an issuer is called %s: %w", n.Name, ErrExists)
	case err != nil:
		return Issuer{}, fmt.Errorf("create the issuer %s: %w", n.Name, err)
	}
	return readIssuer(ctx, tx, n.Name)
}

// issuerValues are those of the columns from url to disabled.
func issuerValues(i federation.Issuer) []any {
	return []any{i.URL, string(i.Kind), listColumn(i.Audiences), i.JWKSURL, i.JWKS, i.JWKSHost, i.CA, i.BearerFile, int64(i.MaxAge / time.Second), i.Disabled}
}

// listColumn writes texts, which may hold anything.
func listColumn(list []string) string {
	if list == nil {
		list = []string{}
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts can be written
	}
	return string(encoded)
}

// roomFor refuses one more row in a table that has as many as it may have.
func roomFor(ctx context.Context, tx *sql.Tx, table string, most int) error {
	var count int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&count); err != nil {
		return fmt.Errorf("count the %s: %w", table, err)
	}
	if count >= most {
		return fmt.Errorf("%w: there are %d %s, at most %d are allowed: remove one", ErrTooMany, count, table, most)
	}
	return nil
}

// updateIssuer makes an issuer what it is to be, and returns how many sessions end
// with that: those of another iss were of another issuer.
func (s *Store) updateIssuer(ctx context.Context, tx *sql.Tx, current Issuer, next federation.Issuer) (ended int64, err error) {
	_, err = tx.ExecContext(ctx, `
		UPDATE issuers SET url = ?, kind = ?, audiences = ?, jwks_url = ?, jwks = ?, jwks_host = ?, ca = ?, bearer_file = ?, max_age = ?, disabled = ?,
			version = version + 1, updated_at = ? WHERE id = ?`, append(issuerValues(next), timestamp(s.now()), current.ID)...)
	if err != nil {
		return 0, fmt.Errorf("change the issuer %s: %w", next.Name, err)
	}
	if next.Disabled || next.URL != current.URL {
		return endSessionsOf(ctx, tx, sessionsOfIssuer, current.ID)
	}
	return 0, nil
}

// SetIssuerDisabled disables or enables an issuer. Errors: [ErrNotFound], [ErrStale];
// [ErrNeedsPassword] to enable one.
func (s *Store) SetIssuerDisabled(ctx context.Context, name string, disabled bool, pre Precondition) (Issuer, error) {
	var updated Issuer
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readIssuer(ctx, tx, name)
		if err != nil {
			return nobody, err
		}
		if err := checkVersion("the issuer "+name, current.Version, pre); err != nil {
			return nobody, err
		}
		updated = current
		if current.Disabled == disabled {
			return nobody, nil
		}
		if !disabled {
			if err := requirePasswordForTrust(ctx, "enable the issuer "+name); err != nil {
				return nobody, err
			}
		}
		next := current.Issuer
		next.Disabled = disabled
		ended, err := s.updateIssuer(ctx, tx, current, next)
		if err != nil {
			return nobody, err
		}
		if updated, err = readIssuer(ctx, tx, name); err != nil {
			return nobody, err
		}
		before := issuerState(current.Issuer)
		before.EndedSessions = ended
		return trustChanged(ended), s.recordNamed(ctx, tx, audit.Update, audit.IssuerName(name), before, issuerState(updated.Issuer))
	})
	return updated, err
}

// checkVersion refuses a change of what has another version by now.
func checkVersion(what string, version int64, pre Precondition) error {
	if pre != 0 && int64(pre) != version {
		return fmt.Errorf("%s is at version %d, not %d: %w", what, version, pre, ErrStale)
	}
	return nil
}

// DeleteIssuer removes an issuer with its bindings, whose names it returns. Errors:
// [ErrNotFound], [ErrStale].
func (s *Store) DeleteIssuer(ctx context.Context, name string, pre Precondition) (bindings []string, err error) {
	err = s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readIssuer(ctx, tx, name)
		if err != nil {
			return nobody, err
		}
		if err := checkVersion("the issuer "+name, current.Version, pre); err != nil {
			return nobody, err
		}
		if bindings, err = bindingNames(ctx, tx, "issuer_id", current.ID); err != nil {
			return nobody, err
		}
		before := issuerState(current.Issuer)
		before.Bindings, before.Cut = cutNames(bindings)
		if before.EndedSessions, err = endSessionsOf(ctx, tx, sessionsOfIssuer, current.ID); err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM issuers WHERE id = ?", current.ID); err != nil {
			return nobody, fmt.Errorf("delete the issuer %s: %w", name, err)
		}
		return trustChanged(before.EndedSessions), s.recordNamed(ctx, tx, audit.Remove, audit.IssuerName(name), before, nil)
	})
	return bindings, err
}

// cutNames bounds what one entry of the audit holds.
func cutNames(names []string) ([]string, bool) {
	return names[:min(len(names), maxAuditList)], len(names) > maxAuditList
}
