package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// MaxSessions is how many sessions a binding has at most. One more ends the one
// that was not used for the longest time, of the same job if that has some.
const MaxSessions = 20_000

// SessionKind is what the secret of a session is.
type SessionKind string

const (
	// AccessSession is a password.
	AccessSession SessionKind = "access"
	// RefreshSession is what docker login keeps instead of one.
	RefreshSession SessionKind = "refresh"
)

// Session is a login by a token of an issuer that lasts for longer than that. Its
// secret is not known. It goes with its binding.
type Session struct {
	// ID is the part of the secret by which it is found. It is no secret.
	ID    string
	Kind  SessionKind
	Robot subject.Ref
	// Issuer and Binding are the names of those by which it began.
	Issuer, Binding string
	// Service is the only one that it is good for.
	Service string
	// Scopes narrow it beside those of the binding.
	Scopes []access.Permission
	// Claims are those of the token that conditions named.
	Claims []federation.KeptClaim
	// Job says to people which job or workload it was: NAME=VALUE.
	Job             []string
	Client, Address string
	CreatedAt       time.Time
	ExpiresAt       time.Time
	// LastUse is the login itself as long as it was not used.
	LastUse Use
}

// NewSession is a session to be made.
type NewSession struct {
	ID   string
	Kind SessionKind
	// Binding is the name of the one by which the token stands for the robot.
	Binding string
	// IssuerID and RobotID are what the binding joined when the token was judged.
	IssuerID, RobotID int64
	Service           string
	Hash              []byte
	Scopes            []access.Permission
	Claims            []federation.KeptClaim
	Job               []string
	Client            string
	Address           string
}

// CreateSession makes a session, and returns when it ends. [ErrStale] is returned
// when issuer, binding or robot are not any more what the token was judged by.
func (s *Store) CreateSession(ctx context.Context, n NewSession) (time.Time, error) {
	claims, err := json.Marshal(n.Claims)
	if err != nil {
		return time.Time{}, fmt.Errorf("create a session: %w", err)
	}
	var expiresAt time.Time
	err = s.change(ctx, func(tx *sql.Tx) (affected, error) {
		b, err := s.bindingForSession(ctx, tx, n)
		if err != nil {
			return nobody, err
		}
		now := s.now()
		if s.MayForget() {
			if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expires_at <= ?", timestamp(now)); err != nil {
				return nobody, fmt.Errorf("remove sessions that are over: %w", err)
			}
		}
		whom, err := makeRoomForSession(ctx, tx, b, string(claims), listColumn(n.Job))
		if err != nil {
			return nobody, err
		}
		expiresAt = now.Add(b.LongestSession())
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO sessions (id, kind, subject_id, binding_id, service, hash, scopes, claims, job, client, address, created_at, expires_at,
			                      last_used_at, last_used_address, last_used_client)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			n.ID, string(n.Kind), b.RobotID, b.ID, n.Service, n.Hash, joined(n.Scopes), string(claims), listColumn(n.Job), n.Client, n.Address,
			timestamp(now), timestamp(expiresAt), timestamp(now), n.Address, n.Client); err != nil {
			return nobody, fmt.Errorf("create a session: %w", err)
		}
		return whom, nil
	})
	return expiresAt, err
}

// bindingForSession is the binding of a new session, as long as that would begin
// now as well.
func (s *Store) bindingForSession(ctx context.Context, tx *sql.Tx, n NewSession) (Binding, error) {
	b, err := readBinding(ctx, tx, n.Binding)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Binding{}, err
	}
	var enabled bool
	if err == nil {
		err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM subjects s, issuers i WHERE s.id = ? AND s.disabled = 0 AND i.id = ? AND i.disabled = 0)",
			b.RobotID, b.IssuerID).Scan(&enabled)
		if err != nil {
			return Binding{}, fmt.Errorf("read robot and issuer of the binding %s: %w", n.Binding, err)
		}
	}
	if !enabled || b.Disabled || b.IssuerID != n.IssuerID || b.RobotID != n.RobotID || !federation.Compile(b.Claims).Holds(federation.ClaimsOf(n.Claims)) {
		return Binding{}, fmt.Errorf("the binding %s of a session: %w", n.Binding, ErrStale)
	}
	return b, nil
}

// makeRoomForSession ends the sessions of a binding that are too many, and returns
// whom that concerns: a new one changes nothing for others. Those of the same job end
// first: one that begins them by the thousand is in no other's way.
func makeRoomForSession(ctx context.Context, tx *sql.Tx, b Binding, claims, job string) (affected, error) {
	var count int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM sessions WHERE binding_id = ?", b.ID).Scan(&count); err != nil {
		return nobody, fmt.Errorf("count sessions: %w", err)
	}
	if count < MaxSessions {
		return nobody, nil
	}
	surplus, err := collect(ctx, tx, scanID, `
		SELECT id FROM sessions WHERE binding_id = ?
		ORDER BY CASE WHEN job = ? AND claims = ? THEN 1 ELSE 0 END, last_used_at DESC LIMIT 1000 OFFSET ?`, b.ID, job, claims, MaxSessions-1)
	if err != nil {
		return nobody, fmt.Errorf("look for sessions that are not used: %w", err)
	}
	if err := endSessions(ctx, tx, surplus); err != nil || len(surplus) == 0 {
		return nobody, err
	}
	return affected(b.RobotID), nil
}

// endSessions ends sessions by their ids.
func endSessions(ctx context.Context, tx *sql.Tx, ids []string) error {
	err := inBatches(ids, func(in string, args []any) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE id IN "+in, args...) //nolint:gosec // in holds question marks only
		return err
	})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// What sessions are ended by.
const (
	sessionsOfRobot   = "subject_id = ?"
	sessionsOfBinding = "binding_id = ?"
	sessionsOfIssuer  = "binding_id IN (SELECT id FROM bindings WHERE issuer_id = ?)"
)

// endSessionsOf ends all sessions of a subject, and returns how many there were. It is
// part of every change after which a job must log in again.
func endSessionsOf(ctx context.Context, tx *sql.Tx, of string, id int64) (int64, error) {
	result, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE "+of, id) //nolint:gosec // a condition of this package
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return result.RowsAffected()
}

// endSessionsBeside ends the sessions of a binding whose claims do not meet other
// conditions, and returns how many there were.
func endSessionsBeside(ctx context.Context, tx *sql.Tx, bindingID int64, conditions []federation.Condition) (int64, error) {
	wanted := federation.Compile(conditions)
	var ended []string
	_, err := collect(ctx, tx, func(row scanner) (id string, err error) {
		var text string
		if err := row.Scan(&id, &text); err != nil {
			return "", err
		}
		claims, err := keptClaims(id, text)
		if err == nil && !wanted.Holds(federation.ClaimsOf(claims)) {
			ended = append(ended, id)
		}
		return id, err
	}, "SELECT id, claims FROM sessions WHERE binding_id = ?", bindingID)
	if err != nil {
		return 0, fmt.Errorf("compare sessions with conditions: %w", err)
	}
	return int64(len(ended)), endSessions(ctx, tx, ended)
}

func keptClaims(id, text string) (claims []federation.KeptClaim, err error) {
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		return nil, fmt.Errorf("claims of the session %q: %w", id, err)
	}
	return claims, nil
}

// trustChanged is whom a change of an issuer or binding concerns that ended so many
// sessions: those may be in memory, and are of any robot.
func trustChanged(ended int64) affected {
	if ended > 0 {
		return everybody
	}
	return federated
}

const (
	sessionColumns = `n.id, n.kind, s.kind, s.name, i.name, b.name, b.session, n.service, n.scopes, n.claims, n.job, n.client, n.address,
n.created_at, n.expires_at, n.last_used_at, n.last_used_address, n.last_used_client`
	sessionTables = "sessions n JOIN subjects s ON s.id = n.subject_id JOIN bindings b ON b.id = n.binding_id JOIN issuers i ON i.id = b.issuer_id"
	// sessionLasts compares with the time in microseconds, twice. No length is that by
	// default.
	sessionLasts = "n.expires_at > ? AND n.created_at + 1000000 * CASE b.session WHEN 0 THEN 21600 ELSE b.session END > ?"
)

func scanSession(row scanner) (Session, error) {
	var (
		n                           Session
		scopes, claims, job         string
		longest, created, ends, use int64
	)
	err := row.Scan(&n.ID, &n.Kind, &n.Robot.Kind, &n.Robot.Name, &n.Issuer, &n.Binding, &longest, &n.Service, &scopes, &claims, &job, &n.Client, &n.Address,
		&created, &ends, &use, &n.LastUse.Address, &n.LastUse.Client)
	if err != nil {
		return Session{}, err
	}
	n.CreatedAt, n.LastUse.At = fromTimestamp(created), fromTimestamp(use)
	b := federation.Binding{Session: time.Duration(longest) * time.Second}
	n.ExpiresAt = earlier(fromTimestamp(ends), n.CreatedAt.Add(b.LongestSession()))
	if n.Claims, err = keptClaims(n.ID, claims); err != nil {
		return Session{}, err
	}
	if err := json.Unmarshal([]byte(job), &n.Job); err != nil {
		return Session{}, fmt.Errorf("job of the session %q: %w", n.ID, err)
	}
	n.Scopes, err = split(scopes, access.ParsePermission)
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Session returns the session with the id, or [ErrNotFound].
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	return readSessionByID(ctx, s.reader, id)
}

func readSessionByID(ctx context.Context, q queryer, id string) (Session, error) {
	found, err := scanSession(q.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM "+sessionTables+" WHERE n.id = ?", id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Session{}, fmt.Errorf("session %q: %w", id, ErrNotFound)
	case err != nil:
		return Session{}, fmt.Errorf("read the session %q: %w", id, err)
	}
	return found, nil
}

// ErrCursor is returned for what no [Session.Cursor] said.
var ErrCursor = errors.New("no place in a list of sessions")

// sessionCursor is the place of a session among those of its robot.
func sessionCursor(after string) (created int64, id string, err error) {
	text, id, _ := strings.Cut(after, ".")
	if created, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, "", fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return created, id, nil
}

// Cursor is the Page.After of what comes after the session.
func (n Session) Cursor() string { return strconv.FormatInt(timestamp(n.CreatedAt), 10) + "." + n.ID }

// Sessions lists the sessions of a robot that are not over, the latest first. Of the
// [Page], After, which is a [Session.Cursor], and Limit count. Errors:
// [ErrNotFound], [ErrCursor].
func (s *Store) Sessions(ctx context.Context, robot subject.Ref, page Page) ([]Session, error) {
	owner, err := s.Subject(ctx, robot)
	if err != nil {
		return nil, err
	}
	now := timestamp(s.now())
	condition, args := "n.subject_id = ? AND "+sessionLasts, []any{owner.ID, now, now}
	if page.After != "" {
		created, id, err := sessionCursor(page.After)
		if err != nil {
			return nil, err
		}
		condition, args = condition+" AND (n.created_at < ? OR n.created_at = ? AND n.id > ?)", append(args, created, created, id)
	}
	sessions, err := collect(ctx, s.reader, scanSession,
		"SELECT "+sessionColumns+" FROM "+sessionTables+" WHERE "+condition+" ORDER BY n.created_at DESC, n.id LIMIT ?", append(args, page.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list the sessions of %s: %w", robot, err)
	}
	return sessions, nil
}

// auditedSession is what an audit entry says of a session.
type auditedSession struct {
	Session string              `json:"session"`
	Kind    SessionKind         `json:"kind"`
	Issuer  string              `json:"issuer"`
	Binding string              `json:"binding"`
	Service string              `json:"service"`
	Scopes  []access.Permission `json:"scopes,omitempty"`
	Job     []string            `json:"job,omitempty"`
}

// RevokeSession ends a session, and says so in the audit. Errors: [ErrNotFound].
func (s *Store) RevokeSession(ctx context.Context, id string) (Session, error) {
	var ended Session
	err := s.change(ctx, func(tx *sql.Tx) (whom affected, err error) {
		if ended, whom, err = endSession(ctx, tx, id); err != nil {
			return nobody, err
		}
		return whom, s.record(ctx, tx, audit.RevokeToken, ended.Robot,
			auditedSession{ended.ID, ended.Kind, ended.Issuer, ended.Binding, ended.Service, ended.Scopes, ended.Job}, nil)
	})
	return ended, err
}

// EndSession ends a session because who has its secret says so. It is not in the
// audit, as its beginning is not: a job could fill that. Errors: [ErrNotFound].
func (s *Store) EndSession(ctx context.Context, id string) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		_, whom, err := endSession(ctx, tx, id)
		return whom, err
	})
}

func endSession(ctx context.Context, tx *sql.Tx, id string) (Session, affected, error) {
	found, err := readSessionByID(ctx, tx, id)
	if err != nil {
		return Session{}, nobody, err
	}
	robot, err := readSubject(ctx, tx, found.Robot)
	if err != nil {
		return Session{}, nobody, err
	}
	return found, affects(robot), endSessions(ctx, tx, []string{id})
}

// RevokeSessions ends every session of a robot, and returns how many there were.
// Errors: [ErrNotFound].
func (s *Store) RevokeSessions(ctx context.Context, robot subject.Ref) (int64, error) {
	var ended int64
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		owner, err := readSubject(ctx, tx, robot)
		if err != nil {
			return nobody, err
		}
		if ended, err = endSessionsOf(ctx, tx, sessionsOfRobot, owner.ID); err != nil || ended == 0 {
			return nobody, err
		}
		return affects(owner), s.record(ctx, tx, audit.RevokeToken, robot, struct {
			Sessions int64 `json:"sessions"`
		}{ended}, nil)
	})
	return ended, err
}
