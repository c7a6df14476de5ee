package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

var (
	// ErrNeedsPassword is returned for a change that an [Actor] must not make
	// with a token, or with a password that a token set.
	ErrNeedsPassword = errors.New("a password is needed for that, and not a token or a password that a token set")
	// ErrWider is returned when a token is to be made, or given a new secret,
	// that could do more than the credential of the [Actor].
	ErrWider = errors.New("no credential makes a wider one")
	// ErrCredentialEnded is returned when the credential of the [Actor] ended
	// after the actor was proved.
	ErrCredentialEnded = errors.New("the credential that was used has ended")
)

// Limits are where and until when a credential is good. The zero Limits are
// none.
type Limits struct {
	// Networks are where it may be used from. Without any, that is everywhere.
	Networks []netip.Prefix
	// ExpiresAt is zero for what does not expire.
	ExpiresAt time.Time
}

// Allow reports whether a credential is good at an address and a time.
func (l Limits) Allow(address netip.Addr, now time.Time) bool {
	return (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt)) &&
		(len(l.Networks) == 0 || slices.ContainsFunc(l.Networks, func(n netip.Prefix) bool { return n.Contains(address) }))
}

// cover reports whether no credential with the inner limits can do more than
// one with these.
func (l Limits) cover(inner Limits) bool {
	return l.coverTime(inner.ExpiresAt) && l.coverNetworks(inner.Networks)
}

func (l Limits) coverTime(expiresAt time.Time) bool {
	return l.ExpiresAt.IsZero() || !expiresAt.IsZero() && !expiresAt.After(l.ExpiresAt)
}

func (l Limits) coverNetworks(inner []netip.Prefix) bool {
	if len(l.Networks) == 0 {
		return true
	}
	within := func(n netip.Prefix) bool {
		return slices.ContainsFunc(l.Networks, func(outer netip.Prefix) bool { return outer.Bits() <= n.Bits() && outer.Contains(n.Addr()) })
	}
	return len(inner) > 0 && !slices.ContainsFunc(inner, func(n netip.Prefix) bool { return !within(n) })
}

// Credential is what proved an [Actor], if that limits what the actor makes: a
// token, or a password that a token set. The zero Credential limits nothing.
type Credential struct {
	// ID is that of the token.
	ID string
	// Password is set when the actor gave the password that the token set.
	Password bool
	// Limits are those at the time when the actor was proved.
	Limits
}

func actorOf(ctx context.Context) Actor {
	actor, _ := ctx.Value(actorKey{}).(Actor)
	return actor
}

// requirePassword refuses what an actor must not do with a token.
func requirePassword(ctx context.Context, what string) error {
	if actorOf(ctx).Credential.ID == "" {
		return nil
	}
	return fmt.Errorf("%s: %w", what, ErrNeedsPassword)
}

// credentialNow is the credential of the actor with its limits as they are now,
// in the transaction of the change. It returns [ErrCredentialEnded].
func (s *Store) credentialNow(ctx context.Context, tx *sql.Tx) (Credential, error) {
	actor := actorOf(ctx)
	c := actor.Credential
	if c.ID == "" {
		return c, nil
	}
	query, args := `
		SELECT t.networks, t.expires_at FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ? AND s.disabled = 0
		UNION ALL
		SELECT '', t.expires_at FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ? AND s.disabled = 0`,
		[]any{c.ID, c.ID}
	if c.Password {
		query = `SELECT password_networks, password_expires_at FROM subjects
			WHERE name = ? AND kind = ? AND password_made_by = ? AND password_hash <> '' AND disabled = 0`
		args = []any{actor.Ref.Name, actor.Ref.Kind, c.ID}
	}
	var networks string
	var expires int64
	switch err := tx.QueryRowContext(ctx, query, args...).Scan(&networks, &expires); {
	case errors.Is(err, sql.ErrNoRows):
		return c, ErrCredentialEnded
	case err != nil:
		return c, fmt.Errorf("read the credential of %s: %w", actor.Ref, err)
	}
	stored, err := parseLimitColumns(networks, expires)
	if err != nil {
		return c, fmt.Errorf("read the credential of %s: %w", actor.Ref, err)
	}
	c.Networks = stored.Networks
	if !c.coverTime(stored.ExpiresAt) { // the secret before a rotation ends sooner
		stored.ExpiresAt = c.ExpiresAt
	}
	if c.ExpiresAt = stored.ExpiresAt; !c.ExpiresAt.IsZero() && !s.now().Before(c.ExpiresAt) {
		return c, ErrCredentialEnded
	}
	return c, nil
}

func parseLimitColumns(networks string, expiresAt int64) (Limits, error) {
	parsed, err := split(networks, netip.ParsePrefix)
	return Limits{Networks: parsed, ExpiresAt: optionalTime(expiresAt)}, err
}

// limit returns what becomes of the limits that are asked for. Those that are
// not asked for are the credential's own; wider ones are an [ErrWider].
func (c Credential) limit(asked Limits) (Limits, error) {
	if c.ID == "" {
		return asked, nil
	}
	if len(asked.Networks) == 0 {
		asked.Networks = c.Networks
	}
	if asked.ExpiresAt.IsZero() {
		asked.ExpiresAt = c.ExpiresAt
	}
	return asked, c.refuseWider(asked)
}

// refuseWider returns an [ErrWider] that says what is too wide.
func (c Credential) refuseWider(asked Limits) error {
	switch {
	case c.ID == "" || c.cover(asked):
		return nil
	case c.coverTime(asked.ExpiresAt):
		return fmt.Errorf("%w: it would be good outside of %s, where %s may be used: ask for networks within, or log in with a password",
			ErrWider, joined(c.Networks), c.name())
	case asked.ExpiresAt.IsZero():
		return fmt.Errorf("%w: it would not expire, and %s does at %s: ask for an expiry before that, or log in with a password",
			ErrWider, c.name(), c.ExpiresAt.UTC().Format(time.RFC3339))
	default:
		return fmt.Errorf("%w: it would expire at %s, and %s does at %s: ask for an expiry before that, or log in with a password",
			ErrWider, asked.ExpiresAt.UTC().Format(time.RFC3339), c.name(), c.ExpiresAt.UTC().Format(time.RFC3339))
	}
}

func (c Credential) name() string {
	if c.Password {
		return "the password that the token " + c.ID + " set"
	}
	return "the token " + c.ID
}

// subjectAfter is what a change makes of a subject.
type subjectAfter struct {
	removed         bool
	admin, disabled bool
	// password is set when it gets another one.
	password bool
}

// refuseToken keeps an actor from making a change that needs a password.
func (s *Store) refuseToken(ctx context.Context, tx *sql.Tx, current Subject, after subjectAfter) error {
	reasons, err := s.needsPassword(ctx, tx, current, after)
	if err == nil && len(reasons) > 0 {
		err = requirePassword(ctx, strings.Join(reasons, ", "))
	}
	return err
}

// needsPassword says for what of a change the actor's credential is not enough.
func (s *Store) needsPassword(ctx context.Context, tx *sql.Tx, current Subject, after subjectAfter) (reasons []string, err error) {
	actor := actorOf(ctx)
	if actor.Credential.ID == "" {
		return nil, nil
	}
	ends := after.removed || after.disabled && !current.Disabled
	switch {
	case after.removed && current.Admin:
		reasons = append(reasons, "remove "+current.Ref.String()+", an admin")
	case after.removed:
	case after.admin && !current.Admin:
		reasons = append(reasons, "make "+current.Ref.String()+" an admin")
	case !after.admin && current.Admin:
		reasons = append(reasons, "make "+current.Ref.String()+" no admin any more")
	case current.Admin && after.disabled != current.Disabled:
		reasons = append(reasons, "disable or enable "+current.Ref.String()+", an admin")
	}
	if after.password && !(actor.Ref == current.Ref && actor.Credential.Password) {
		reasons = append(reasons, "set the password of "+current.Ref.String())
	}
	if ends {
		sessions, err := s.sessionsOfAnother(ctx, tx, current)
		if err != nil {
			return nil, err
		}
		if sessions != "" {
			reasons = append(reasons, sessions)
		}
	}
	return reasons, nil
}

// refuseSessions keeps a token from ending the docker logins of another subject
// than its owner.
func (s *Store) refuseSessions(ctx context.Context, tx *sql.Tx, owner Subject) error {
	what, err := s.sessionsOfAnother(ctx, tx, owner)
	if err != nil || what == "" {
		return err
	}
	return requirePassword(ctx, what)
}

// sessionsOfAnother says what would end with the docker logins of a subject that
// is not the actor, or nothing when it has none.
func (s *Store) sessionsOfAnother(ctx context.Context, tx *sql.Tx, owner Subject) (string, error) {
	actor := actorOf(ctx)
	if actor.Credential.ID == "" || owner.Ref.Kind != subject.User {
		return "", nil
	}
	if actor.Ref == owner.Ref {
		if foreign, err := madeByAnother(ctx, tx, actor); err != nil || !foreign {
			return "", err
		}
	}
	var sessions int
	err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM refresh_tokens WHERE subject_id = ? AND expires_at > ?", owner.ID, timestamp(s.now())).Scan(&sessions)
	if err != nil {
		return "", fmt.Errorf("count refresh tokens of %s: %w", owner.Ref, err)
	}
	if sessions == 0 {
		return "", nil
	}
	return fmt.Sprintf("end the logins of %s (%d)", owner.Ref, sessions), nil
}

// madeByAnother reports whether a token of another subject made the token of the
// actor, or may have: who had that acts for a subject that it is not.
func madeByAnother(ctx context.Context, tx *sql.Tx, actor Actor) (bool, error) {
	if actor.Credential.Password {
		return false, nil // it is still the actor's own
	}
	makers, err := makersOf(ctx, tx, actor.Credential.ID)
	if err != nil {
		return false, err
	}
	for _, maker := range makers {
		var own bool
		err := tx.QueryRowContext(ctx, `
			SELECT EXISTS (SELECT 1 FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ? AND s.name = ?)
			    OR EXISTS (SELECT 1 FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ? AND s.name = ?)`,
			maker, actor.Ref.Name, maker, actor.Ref.Name).Scan(&own)
		if err != nil {
			return false, fmt.Errorf("read the owner of the token %q: %w", maker, err)
		}
		if !own {
			return true, nil
		}
	}
	return false, nil
}

// limitPassword gives a new password the limits of the one by which its owner set
// it, or none when it was set by a password without.
func (s *Store) limitPassword(ctx context.Context, tx *sql.Tx, owner Subject) error {
	maker, err := s.credentialNow(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE subjects SET password_made_by = ?, password_networks = ?, password_expires_at = ? WHERE id = ?",
		maker.ID, joined(maker.Networks), optionalTimestamp(maker.ExpiresAt), owner.ID)
	if err != nil {
		return fmt.Errorf("limit the password of %s: %w", owner.Ref, err)
	}
	return nil
}

// endWith ends what goes with a change of a subject: its docker logins when it
// has to log in again, and what its tokens made when it must not any more.
func (s *Store) endWith(ctx context.Context, tx *sql.Tx, current Subject, after subjectAfter) (ended MadeWith, err error) {
	if after.disabled {
		if ended, err = s.endMadeBy(ctx, tx, current); err != nil {
			return ended, err
		}
	}
	if after.disabled && current.Ref.Kind == subject.Robot {
		if _, err := endSessionsOf(ctx, tx, sessionsOfRobot, current.ID); err != nil {
			return ended, err
		}
	}
	if after.disabled || after.password {
		_, made, err := s.endRefreshTokens(ctx, tx, current)
		ended.credentials = append(ended.credentials, made.credentials...)
		return ended, err
	}
	return ended, nil
}
