// Package store keeps subjects, memberships and permissions in a SQL database.
//
// Every method that changes something is one transaction. Times are kept in
// UTC with a resolution of one microsecond.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/store/internal/dialect"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

var (
	// ErrNotFound is returned when a subject, membership or permission does
	// not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned when a name is taken: users, robots and groups
	// share one name space.
	ErrExists = errors.New("name is taken")
	// ErrStale is returned when a [Precondition] does not hold any more.
	ErrStale = errors.New("changed in the meantime")
	// ErrBuiltIn is returned for a change that a built-in subject cannot take.
	ErrBuiltIn = errors.New("built-in subject")
	// ErrLastAdmin is returned for a change that would leave no enabled admin.
	ErrLastAdmin = errors.New("last enabled admin")
	// ErrKind is returned for a change that does not suit the kind of subject,
	// such as a password for a group.
	ErrKind = errors.New("wrong kind of subject")
	// ErrIncluded is returned when pull is to be revoked where push, which
	// includes it, stays.
	ErrIncluded = errors.New("pull is included in push")
	// errNewerSchema is returned by [Open] for a database of any dialect that a
	// newer Dockit has migrated.
	errNewerSchema = sqlitefile.ErrNewerSchema
	// errForeignSchema is returned by [CopyAll] for a database of any dialect that
	// holds something that no migration makes.
	errForeignSchema = sqlitefile.ErrForeignSchema
	// errUnsupportedDialect is returned by [Open] for an unknown dialect.
	errUnsupportedDialect = dialect.ErrUnsupported
	// errNoDatabase is returned by [OpenExisting] where no Dockit has made its
	// tables.
	errNoDatabase = dialect.ErrNoDatabase
)

// Config says which database to open.
type Config struct {
	// Dialect is "sqlite" or "mysql"; the latter is MariaDB as well.
	Dialect string
	// DSN is, for SQLite, the path of the database file or a file: URI, and for
	// MySQL user:password@tcp(host:3306)/database?tls=true.
	DSN string
	// LitestreamSocket is the path of Litestream's control socket, for SQLite
	// only: [Store.Replicated] waits for it then. Default: none.
	LitestreamSocket string
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	dialect *dialect.Dialect
	writer  *sql.DB
	reader  *sql.DB
	logger  *zap.Logger
	clock   *sharedClock
	now     func() time.Time // by that clock

	// watcher is told of the changes that were made through this Store.
	watcher    atomic.Pointer[func(Change)]
	litestream *litestream // or nil
	// refused is why the last write failed, if that was the database's doing.
	refused atomic.Pointer[refusal]
	// trusted is when the last write passed, nil after one was late.
	trusted atomic.Pointer[time.Time]
	probing singleflight.Group
	// index is for searches.
	index *nameIndex
	// maxPermissions is zero for the default.
	maxPermissions atomic.Int64

	login        *sql.Stmt
	effective    *sql.Stmt
	accessToken  *sql.Stmt
	refreshToken *sql.Stmt
	session      *sql.Stmt
	failures     *sql.Stmt
	marks        *sql.Stmt
}

// Open opens the database and brings its schema up to date. A SQLite file is
// made when it is missing; its folder is not, nor is a database of MySQL.
func Open(ctx context.Context, config Config, logger *zap.Logger) (*Store, error) {
	return open(ctx, config, logger, clock.This)
}

// OpenExisting is [Open] for a database that a Dockit made before: it makes
// neither a file nor tables where there are none. Errors: [errNoDatabase] and
// those of Open.
func OpenExisting(ctx context.Context, config Config, logger *zap.Logger) (*Store, error) {
	d, err := dialect.Of(config.Dialect)
	if err != nil {
		return nil, err
	}
	if err := d.Find(ctx, config.DSN); err != nil {
		return nil, err
	}
	return Open(ctx, config, logger)
}

// open is [Open] on a machine with a clock.
func open(ctx context.Context, config Config, logger *zap.Logger, this func() clock.Moment) (*Store, error) {
	d, err := dialect.Of(config.Dialect)
	if err != nil {
		return nil, err
	}
	replicating, err := newLitestream(config)
	if err != nil {
		return nil, err
	}
	writer, reader, err := d.Open(ctx, config.DSN)
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: d, writer: writer, reader: reader, litestream: replicating, logger: logger, index: newNameIndex()}
	s.clock = newSharedClock(d.Clock != "", this, logger)
	s.now = s.clock.now
	if who := d.Exposed(config.DSN); who != "" {
		logger.Warn("others can read the database, with its password hashes and keys: make it readable for its owner alone", zap.String("because", who))
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(dialect.WithHint(err, Hint(err)), s.Close())
	}
	replicating.check(ctx, logger)
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.dialect.Migrate(ctx, s.writer, s.logger); err != nil {
		return dialect.WithHint(err, s.dialect.Hint(err))
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.login, loginQuery},
		{&s.effective, effectiveQuery},
		{&s.accessToken, accessLoginQuery},
		{&s.refreshToken, refreshLoginQuery},
		{&s.session, sessionLoginQuery},
		{&s.failures, failuresQuery},
		{&s.marks, marksQuery(s.dialect)},
	} {
		stmt, err := s.reader.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // Close does
		if err != nil {
			return dialect.WithHint(fmt.Errorf("prepare statement: %w", err), s.dialect.Hint(err))
		}
		*p.stmt = stmt
	}
	if _, err := s.Marks(ctx); err != nil { // which reads the clock, too
		return dialect.WithHint(err, s.dialect.Hint(err))
	}
	return nil
}

// Close closes the database. Requests still running on it fail.
func (s *Store) Close() error {
	s.litestream.close()
	s.index.close()
	var errs []error
	for _, stmt := range []*sql.Stmt{s.login, s.effective, s.accessToken, s.refreshToken, s.session, s.failures, s.marks} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	errs = append(errs, s.reader.Close(), s.writer.Close())
	return errors.Join(errs...)
}

// queryer is what reading needs of a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads every row of a query with scan.
func collect[T any](ctx context.Context, q queryer, scan func(row scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scan)
}

// scanAll reads the rows with scan and closes them.
func scanAll[T any](rows *sql.Rows, scan func(row scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// scanner is what [sql.Row] and [sql.Rows] have in common.
type scanner interface{ Scan(dest ...any) error }

func timestamp(t time.Time) int64      { return t.UnixMicro() }
func fromTimestamp(us int64) time.Time { return time.UnixMicro(us).UTC() }
